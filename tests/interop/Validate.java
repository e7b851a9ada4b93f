import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateRevokedException;
import java.security.cert.Extension;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Validates certificates as Java's TLS does; the status of every certificate of the path is asked by OCSP, with no
 * other source to fall back to. {@code java Validate.java RESPONDER ROOT CHAIN CERTIFICATE...} prints two lines each,
 * "NAME plain RESULT" and "NAME nonce RESULT": good, or the place in the path (0 is the certificate) and the reason.
 */
class Validate {
    /** RFC 9654, with 32 octets. The checker refuses a response that brings another. */
    record Nonce(byte[] getValue) implements Extension {
        private static final byte[] OID = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};

        static Nonce random() {
            var octets = new byte[32];
            new SecureRandom().nextBytes(octets);
            return new Nonce(der(0x04, octets));
        }

        @Override
        public String getId() {
            return "1.3.6.1.5.5.7.48.1.2";
        }

        @Override
        public boolean isCritical() {
            return false;
        }

        @Override
        public void encode(OutputStream out) throws IOException {
            out.write(der(0x30, OID, der(0x04, getValue)));
        }

        private static byte[] der(int tag, byte[]... contents) {
            var all = new ByteArrayOutputStream();
            for (byte[] content : contents) {
                all.writeBytes(content);
            }
            var element = new ByteArrayOutputStream();
            element.write(tag);
            element.write(all.size());
            element.writeBytes(all.toByteArray());
            return element.toByteArray();
        }
    }

    private final CertificateFactory factory = CertificateFactory.getInstance("X.509");
    private final URI responder;
    private final X509Certificate root;
    private final List<Certificate> chain;

    Validate(String responder, String root, String chain) throws Exception {
        this.responder = new URI(responder);
        this.root = (X509Certificate) load(root).get(0);
        this.chain = load(chain);
    }

    private List<Certificate> load(String path) throws Exception {
        try (var in = Files.newInputStream(Path.of(path))) {
            return new ArrayList<>(factory.generateCertificates(in));
        }
    }

    private void validate(List<Certificate> path, List<Extension> extensions) throws Exception {
        var validator = CertPathValidator.getInstance("PKIX");
        var checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(Set.of(PKIXRevocationChecker.Option.NO_FALLBACK));
        checker.setOcspResponder(responder);
        checker.setOcspExtensions(extensions);
        var parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.addCertPathChecker(checker);
        validator.validate(factory.generateCertPath(path), parameters);
    }

    private String result(String certificate, List<Extension> extensions) throws Exception {
        var path = load(certificate);
        path.addAll(chain);
        try {
            validate(path, extensions);
            return "good";
        } catch (CertPathValidatorException e) {
            Object why = e.getCause() instanceof CertificateRevokedException revoked ? revoked.getRevocationReason() : e;
            return e.getIndex() + " " + e.getReason() + " " + why;
        }
    }

    public static void main(String[] arguments) throws Exception {
        var validate = new Validate(arguments[0], arguments[1], arguments[2]);
        for (String certificate : List.of(arguments).subList(3, arguments.length)) {
            String name = Path.of(certificate).getFileName().toString().replace(".crt", "");
            System.out.println(name + " plain " + validate.result(certificate, List.of()));
            System.out.println(name + " nonce " + validate.result(certificate, List.of(Nonce.random())));
        }
    }
}
