import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mapUnhashed, readBlock, writeBlock } from './openpgp-surgery.ts';
import {
  type CommitOptions,
  daysAgo,
  type GpgHome,
  gpgTime,
  openSigningBench,
  ourVerdict,
  type Sign,
  type SigningBench,
} from './signing-bench.ts';

const ISSUER_KEY_ID = 16;
const EMBEDDED_SIGNATURE = 32;

describe('OpenPGP signatures, as git and gpg judge them', () => {
  let bench: SigningBench;
  let gpg: GpgHome;
  let ana: string;
  let eve: string;
  beforeAll(() => {
    bench = openSigningBench();
    gpg = bench.gpgHome('gpg');
    ana = gpg.generate('ana', 'ed25519');
    eve = gpg.generate('eve', 'ed25519');
  });
  afterAll(() => bench.close());

  const verdicts = (id: string, keyring: string, now?: Date) => ({
    ours: ourVerdict(bench.raw(id), { keyring }, now),
    git: bench.gitAcceptsPgp(id, keyring),
  });
  const GOOD = { ours: 'ok', git: true };
  const refused = (code: string) => ({ ours: code, git: false });
  /** Cases in which this project is stricter on purpose. */
  const onlyGitAccepts = (code: string) => ({ ours: code, git: true });
  const signed = (options: CommitOptions = {}): string => bench.commit({ sign: gpg.sign(ana), ...options });
  /** Signs, and changes the signature packet. */
  const altered =
    (change: (body: Buffer) => Buffer, sign: Sign = gpg.sign(ana)): Sign =>
    (payload) =>
      writeBlock(
        'SIGNATURE',
        readBlock(sign(payload)).map(({ tag, body }) => ({ tag, body: change(body) })),
      );

  it('a commit that git signed', () => {
    const id = bench.commitByGit([`user.signingKey=${ana}`, `gpg.program=${bench.gpgProgram(gpg)}`]);
    expect(verdicts(id, gpg.export(ana))).toEqual(GOOD);
  });

  it.each([
    // gpg refuses a hash that is too short for the curve.
    ['rsa2048', ['SHA256', 'SHA384', 'SHA512']],
    ['rsa3072', ['SHA256', 'SHA512']],
    ['ed25519', ['SHA256', 'SHA384', 'SHA512']],
    ['nistp256', ['SHA256', 'SHA384', 'SHA512']],
    ['nistp384', ['SHA384', 'SHA512']],
    ['nistp521', ['SHA512']],
  ])('keys of kind %s with hashes %j', (algorithm, hashes) => {
    const key = gpg.generate(`kind-${algorithm}`, algorithm);
    for (const hash of hashes) {
      const id = signed({ sign: gpg.sign(key, '--digest-algo', hash) });
      expect(verdicts(id, gpg.export(key)), hash).toEqual(GOOD);
    }
  });

  it('many signatures: numbers with leading zeros', () => {
    const keyring = gpg.export(ana);
    for (let count = 0; count < 40; count += 1) {
      const id = signed({ message: `Change ${count}` });
      expect(ourVerdict(bench.raw(id), { keyring })).toBe('ok');
    }
  });

  it('tampered content, no signature, a stranger', () => {
    const keyring = gpg.export(ana);
    expect(verdicts(signed({ tamper: (raw) => raw.replace('Change', 'Chance') }), keyring)).toEqual(refused('signature-invalid'));
    expect(verdicts(bench.commit({}), keyring)).toEqual(refused('unsigned'));
    expect(verdicts(signed({ sign: gpg.sign(eve) }), keyring)).toEqual(refused('signer-unknown'));
    expect(verdicts(signed({ sign: gpg.sign(eve) }), gpg.export(ana, eve))).toEqual(GOOD);
  });

  describe('subkeys', () => {
    let owner: string;
    let subkey: string;
    beforeAll(() => {
      owner = gpg.generate('owner', 'rsa2048', 'cert');
      gpg.gpg(['--quick-add-key', owner, 'ed25519', 'sign', '0']);
      gpg.gpg(['--quick-add-key', owner, 'cv25519', 'encr', '0']);
      subkey = gpg.fingerprints(owner)[1] ?? '';
    });

    it('sign for their primary key', () => {
      const id = signed({ sign: gpg.sign(`${subkey}!`) });
      expect(verdicts(id, gpg.export(owner))).toEqual(GOOD);
    });

    it('do not sign for it without its back signature', () => {
      const id = signed({ sign: gpg.sign(`${subkey}!`) });
      const without = readBlock(gpg.export(owner, ana)).map((packet) =>
        mapUnhashed(packet, (subpacket) => subpacket.type !== EMBEDDED_SIGNATURE),
      );
      expect(verdicts(id, writeBlock('PUBLIC KEY BLOCK', without))).toEqual(refused('signer-not-valid'));
    });

    it('do not when they are bound to the key of another person', () => {
      const id = signed({ sign: gpg.sign(`${subkey}!`) });
      const packets = readBlock(gpg.export(owner));
      const at = packets.findIndex(({ tag }) => tag === 14);
      const stolen = [...readBlock(gpg.export(eve)), ...packets.slice(at, at + 2)];
      expect(verdicts(id, writeBlock('PUBLIC KEY BLOCK', stolen)).git).toBe(false);
      expect(verdicts(id, writeBlock('PUBLIC KEY BLOCK', stolen)).ours).toBe('signer-not-valid');
    });

    it('do not after they were revoked, and their primary key never did', () => {
      const id = signed({ sign: gpg.sign(`${subkey}!`) });
      gpg.edit(owner, ['key 1', 'revkey', 'y', '0', '', 'y', 'save']);
      expect(verdicts(id, gpg.export(owner, ana))).toEqual(refused('signer-not-valid'));
    });
  });

  it('revoked keys, also for earlier commits', () => {
    const key = gpg.generate('revoked', 'ed25519', 'sign', '0', '--faked-system-time', gpgTime(daysAgo(100)));
    const id = signed({ sign: gpg.sign(key, '--faked-system-time', gpgTime(daysAgo(50))), seconds: daysAgo(50) });
    expect(verdicts(id, gpg.export(key, ana))).toEqual(GOOD);
    gpg.revoke(key);
    expect(verdicts(id, gpg.export(key, ana))).toEqual(refused('signer-not-valid'));
    expect(verdicts(signed(), gpg.export(key, ana))).toEqual(GOOD);
    expect(ourVerdict(bench.raw(id), { keyring: gpg.export(key) })).toBe('signers');
  });

  it('keys that expire: by the time of commit and signature', () => {
    const created = ['--faked-system-time', gpgTime(daysAgo(100))];
    const key = gpg.generate('expiring', 'ed25519', 'sign', '50d', ...created);
    const keyring = gpg.export(key);
    const inTime = ['--faked-system-time', gpgTime(daysAgo(60))];
    const good = signed({ seconds: daysAgo(60), sign: gpg.sign(key, ...inTime) });
    // gpg checks the key at the current time and reports EXPKEYSIG; here the commit stays good, as
    // with SSH.
    expect(ourVerdict(bench.raw(good), { keyring })).toBe('ok');
    gpg.gpg(['--quick-set-expire', key, '0']);
    const late = signed({ seconds: daysAgo(10), sign: gpg.sign(key, '--faked-system-time', gpgTime(daysAgo(10))) });
    expect(verdicts(late, keyring)).toEqual(refused('signer-not-valid'));
    const backdated = signed({ seconds: daysAgo(60), sign: gpg.sign(key, '--faked-system-time', gpgTime(daysAgo(10))) });
    expect(verdicts(backdated, keyring)).toEqual(refused('signer-not-valid'));
    const early = signed({ seconds: daysAgo(200), sign: gpg.sign(key) });
    expect(ourVerdict(bench.raw(early), { keyring: gpg.export(key) })).toBe('signer-not-valid');
    expect(verdicts(late, gpg.export(key))).toEqual(GOOD);
  });

  it('signatures that expire', () => {
    const sign = gpg.sign(ana, '--faked-system-time', gpgTime(daysAgo(-0.01)), '--default-sig-expire', '2d');
    expect(verdicts(signed({ sign: gpg.sign(ana, '--default-sig-expire', '2d') }), gpg.export(ana))).toEqual(GOOD);
    const later = new Date(Date.now() + 3 * 86_400_000);
    expect(ourVerdict(bench.raw(signed({ sign })), { keyring: gpg.export(ana) }, later)).toBe('signature-invalid');
    const key = gpg.generate('brief', 'ed25519', 'sign', '0', '--faked-system-time', gpgTime(daysAgo(100)));
    const old = gpg.sign(key, '--faked-system-time', gpgTime(daysAgo(50)), '--default-sig-expire', '2d');
    expect(verdicts(signed({ sign: old, seconds: daysAgo(50) }), gpg.export(key))).toEqual(refused('signature-invalid'));
  });

  describe('masking: the unprotected part names another key', () => {
    const naming = (keyId: string): Sign =>
      altered(
        (body) =>
          mapUnhashed({ tag: 2, body }, (subpacket) =>
            subpacket.type === ISSUER_KEY_ID ? { ...subpacket, body: Buffer.from(keyId, 'hex') } : true,
          ).body,
      );

    it("a stranger's signature under the name of a known key", () => {
      const sign = altered(
        (body) =>
          mapUnhashed({ tag: 2, body }, (part) =>
            part.type === ISSUER_KEY_ID ? { ...part, body: Buffer.from(ana.slice(-16), 'hex') } : true,
          ).body,
        gpg.sign(eve),
      );
      expect(verdicts(signed({ sign }), gpg.export(ana))).toEqual(refused('signer-unknown'));
    });

    it('accepts a signature that names no key outside of its protected part', () => {
      const sign = altered((body) => mapUnhashed({ tag: 2, body }, () => false).body);
      expect(verdicts(signed({ sign }), gpg.export(ana, eve))).toEqual(GOOD);
    });

    it('refuses a good signature that names another key, which git accepts', () => {
      expect(verdicts(signed({ sign: naming(eve.slice(-16)) }), gpg.export(ana, eve))).toEqual(onlyGitAccepts('signer-unknown'));
      expect(verdicts(signed({ sign: naming('0123456789abcdef') }), gpg.export(ana, eve))).toEqual(onlyGitAccepts('signer-unknown'));
    });
  });

  it.each<[string, (raw: string) => string, string]>([
    ['a wrong checksum', (raw) => raw.replace(/\n =[^\n]{4}\n/, '\n =AAAA\n'), 'signature-malformed'],
    ['no last line', (raw) => raw.replace(/\n -----END PGP SIGNATURE-----/, ''), 'signature-malformed'],
    ['no first line', (raw) => raw.replace('-----BEGIN PGP SIGNATURE-----', 'xx'), 'signature-unsupported'],
    ['lost data', (raw) => raw.replace(/(\n \n [A-Za-z0-9+/]{20})[A-Za-z0-9+/]{4}/, '$1'), 'signature-malformed'],
  ])('armour with %s', (_what, tamper, code) => {
    const { ours, git } = verdicts(signed({ tamper }), gpg.export(ana));
    expect(ours).toBe(code);
    // gpg reads to the end of the text if the last line is missing.
    if (!_what.startsWith('no last')) expect(git).toBe(false);
  });

  it('two signatures in one', () => {
    const sign: Sign = (payload) => writeBlock('SIGNATURE', [...readBlock(gpg.sign(ana)(payload)), ...readBlock(gpg.sign(eve)(payload))]);
    expect(verdicts(signed({ sign }), gpg.export(ana, eve))).toEqual(refused('signature-malformed'));
  });

  it('unknown critical parts, and other unknown parts', () => {
    const notation = (text: string): string => signed({ sign: gpg.sign(ana, '--sig-notation', text) });
    expect(verdicts(notation('note@example.org=1'), gpg.export(ana))).toEqual(GOOD);
    expect(verdicts(notation('!note@example.org=1'), gpg.export(ana))).toEqual(refused('signature-unsupported'));
  });

  it('keyrings with a secret key are refused as settings', () => {
    const secret = gpg.gpg(['--armor', '--export-secret-keys', ana]).toString();
    expect(ourVerdict(bench.raw(signed()), { keyring: secret.replaceAll('PRIVATE', 'PUBLIC') })).toBe('signers');
    expect(ourVerdict(bench.raw(signed()), { keyring: secret })).toBe('signers');
  });

  describe('conservative exceptions: git accepts, this project does not', () => {
    it('hashes that are no longer collision resistant, or short', () => {
      for (const hash of ['SHA1', 'SHA224'])
        expect(verdicts(signed({ sign: gpg.sign(ana, '--digest-algo', hash) }), gpg.export(ana)), hash).toEqual(
          onlyGitAccepts('signature-unsupported'),
        );
    });

    it('text signatures: they leave the line ends open', () => {
      expect(verdicts(signed({ sign: gpg.sign(ana, '--textmode') }), gpg.export(ana))).toEqual(onlyGitAccepts('signature-unsupported'));
    });

    it('RSA keys of less than 2048 bits, and DSA', () => {
      for (const algorithm of ['rsa1024', 'dsa2048']) {
        const key = gpg.generate(`weak-${algorithm}`, algorithm);
        const id = signed({ sign: gpg.sign(key, '--digest-algo', 'SHA256') });
        expect(verdicts(id, gpg.export(key)), algorithm).toEqual(onlyGitAccepts('signers'));
        expect(ourVerdict(bench.raw(id), { keyring: gpg.export(key, ana) }), algorithm).toBe('signature-invalid');
      }
    });

    it('a commit from the future', () => {
      expect(verdicts(signed({ seconds: daysAgo(-1) }), gpg.export(ana))).toEqual(onlyGitAccepts('commit-in-future'));
    });
  });
});
