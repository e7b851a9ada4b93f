// The server's time, by the Date of its answers: a wrong clock here must not make a fresh CRL look old.
let skew = 0;

export const now = () => Date.now() + skew;
export function setBy(date) {
  if (date) skew = Math.abs(Date.parse(date) - Date.now()) < 2000 ? 0 : Date.parse(date) - Date.now();
}
