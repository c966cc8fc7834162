/** Certificate authorities of the test's own and what they sign, made by the openssl command. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends KeyPair {
  /** A key and a certificate that this authority has signed, valid for two days. */
  issue(name: string, subject?: Subject): KeyPair;
}

export interface Subject {
  /** Subject alternative names: `DNS:localhost`, `IP:127.0.0.1`; default: those two. */
  readonly names?: readonly string[];
  /** Its time was over yesterday. */
  readonly expired?: boolean;
}

const OWN_NAMES = ['DNS:localhost', 'IP:127.0.0.1'];
// Made in a few milliseconds, where an RSA key takes half a second.
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];

/** @param name of the authority, and of its directory below `folder/certificates`. */
export function createAuthority(folder: string, name: string): Authority {
  const directory = join(folder, 'certificates', name);
  mkdirSync(directory, { recursive: true });
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  };
  const pair = (of: string): KeyPair => ({
    cert: join(directory, `${of}.crt`),
    key: join(directory, `${of}.key`),
  });
  const ca = pair('ca');
  openssl(
    ...['req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`],
    ...['-keyout', ca.key, '-out', ca.cert],
  );
  return {
    ...ca,
    issue: (of, { names = OWN_NAMES, expired = false } = {}) => {
      const made = pair(of);
      const request = join(directory, `${of}.csr`);
      const extensions = join(directory, `${of}.extensions`);
      writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`);
      openssl('req', ...NEW_KEY, '-subj', `/CN=${of}`, '-keyout', made.key, '-out', request);
      openssl(
        ...['x509', '-req', '-in', request, '-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial'],
        ...['-days', expired ? '-1' : '2', '-extfile', extensions, '-out', made.cert],
      );
      return made;
    },
  };
}
