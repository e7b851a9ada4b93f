import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateRevokedException;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509CRLEntry;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * CRLs as Java sees them. {@code java ReadCrls.java read [CA CRL]...}: each CRL must be signed by its CA; prints a line
 * each, "NAME ENTRY... | EXTENSION...": an entry is SERIAL:REASON, with RFC 5280's names, an extension the dotted OID with a
 * star where it is critical.
 * {@code java ReadCrls.java validate CA CERTIFICATE CRL...}: a path of one certificate by PKIX, with these CRLs and nothing
 * else to know its status from; prints good, or the reason.
 */
class ReadCrls {
    /** As CRLReason is ordered. */
    private static final String[] NAMES = {"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
        "cessationOfOperation", "certificateHold", "unused", "removeFromCRL", "privilegeWithdrawn", "aACompromise"};
    private static final CertificateFactory FACTORY = factory();

    private static CertificateFactory factory() {
        try {
            return CertificateFactory.getInstance("X.509");
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static X509Certificate certificate(String path) throws Exception {
        try (var in = Files.newInputStream(Path.of(path))) {
            return (X509Certificate) FACTORY.generateCertificate(in);
        }
    }

    private static X509CRL crl(String path, X509Certificate ca) throws Exception {
        try (var in = Files.newInputStream(Path.of(path))) {
            var crl = (X509CRL) FACTORY.generateCRL(in);
            crl.verify(ca.getPublicKey());
            return crl;
        }
    }

    private static String describe(X509CRL crl) {
        var text = new StringBuilder();
        var entries = new ArrayList<X509CRLEntry>(crl.getRevokedCertificates() == null ? Set.of() : crl.getRevokedCertificates());
        entries.sort(Comparator.comparing(X509CRLEntry::getSerialNumber));
        for (X509CRLEntry entry : entries) {
            var reason = entry.getRevocationReason();
            text.append(' ').append(entry.getSerialNumber().toString(16)).append(':').append(NAMES[reason == null ? 0 : reason.ordinal()]);
        }
        text.append(" |");
        var critical = crl.getCriticalExtensionOIDs();
        var all = new TreeSet<String>(crl.getNonCriticalExtensionOIDs());
        all.addAll(critical);
        for (String oid : all) {
            text.append(' ').append(oid).append(critical.contains(oid) ? "*" : "");
        }
        return text.toString();
    }

    private static String validate(X509Certificate ca, X509Certificate certificate, List<X509CRL> crls) throws Exception {
        var validator = CertPathValidator.getInstance("PKIX");
        var checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(Set.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
        var parameters = new PKIXParameters(Set.of(new TrustAnchor(ca, null)));
        parameters.addCertPathChecker(checker);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(crls)));
        try {
            validator.validate(FACTORY.generateCertPath(List.<Certificate>of(certificate)), parameters);
            return "good";
        } catch (CertPathValidatorException e) {
            return e.getReason() + (e.getCause() instanceof CertificateRevokedException why ? " " + why.getRevocationReason() : "");
        }
    }

    public static void main(String[] arguments) throws Exception {
        var paths = List.of(arguments).subList(1, arguments.length);
        if (arguments[0].equals("read")) {
            for (int i = 0; i < paths.size(); i += 2) {
                var crl = crl(paths.get(i + 1), certificate(paths.get(i)));
                System.out.println(Path.of(paths.get(i + 1)).getFileName().toString().replace(".crl", "") + describe(crl));
            }
            return;
        }
        var ca = certificate(paths.get(0));
        var crls = new ArrayList<X509CRL>();
        for (String path : paths.subList(2, paths.size())) {
            crls.add(crl(path, ca));
        }
        System.out.println(validate(ca, certificate(paths.get(1)), crls));
    }
}
