import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CommitOptions,
  daysAgo,
  NOW_SECONDS,
  openSigningBench,
  ourVerdict,
  type SigningBench,
  type SshKey,
  sshTime,
} from './signing-bench.ts';
import { ecdsaToken, ed25519Key, ed25519Token, signWith } from './ssh-forge.ts';

/**
 * This project's verdict on a commit, compared with those of `git verify-commit` and
 * `ssh-keygen -Y verify`.
 */
describe('SSH signatures, as git and ssh-keygen judge them', () => {
  let bench: SigningBench;
  let ed: SshKey;
  let stranger: SshKey;
  let keys: Record<string, SshKey>;
  beforeAll(() => {
    bench = openSigningBench();
    ed = bench.sshKey('ed', '-t', 'ed25519');
    stranger = bench.sshKey('stranger', '-t', 'ed25519');
    keys = {
      'ecdsa 256': bench.sshKey('e256', '-t', 'ecdsa', '-b', '256'),
      'ecdsa 384': bench.sshKey('e384', '-t', 'ecdsa', '-b', '384'),
      'ecdsa 521': bench.sshKey('e521', '-t', 'ecdsa', '-b', '521'),
      'rsa 2048': bench.sshKey('r2048', '-t', 'rsa', '-b', '2048'),
      'rsa 4096': bench.sshKey('r4096', '-t', 'rsa', '-b', '4096'),
    };
  });
  afterAll(() => bench.close());

  const verdicts = (id: string, allowed: string) => ({
    ours: ourVerdict(bench.raw(id), { allowedSigners: allowed }),
    git: bench.gitAcceptsSsh(id, allowed),
    sshKeygen: bench.sshKeygenAccepts(id, allowed, 'ana@example.org'),
  });
  const GOOD = { ours: 'ok', git: true, sshKeygen: true };
  const refused = (code: string) => ({ ours: code, git: false, sshKeygen: false });
  /** Cases in which this project is stricter on purpose. */
  const onlyGitAccepts = (code: string) => ({ ours: code, git: true, sshKeygen: true });
  const signed = (options: CommitOptions = {}): string => bench.commit({ sign: bench.signSsh(ed), ...options });
  const allow = (options = '', key = ed): string => `ana@example.org ${options === '' ? '' : `${options} `}${key.line}\n`;

  it('a commit that git signed', () => {
    const id = bench.commitByGit(['gpg.format=ssh', `user.signingKey=${ed.file}`]);
    expect(verdicts(id, allow())).toEqual(GOOD);
  });

  it('every accepted kind of key, with both hashes', () => {
    for (const [kind, key] of Object.entries(keys)) {
      for (const hash of ['sha256', 'sha512']) {
        const id = bench.commit({ sign: bench.signSsh(key, '-n', 'git', '-O', `hashalg=${hash}`) });
        expect(verdicts(id, allow('', key)), `${kind} ${hash}`).toEqual(GOOD);
      }
    }
  });

  it('keys in a security token', () => {
    for (const token of [ed25519Token(), ecdsaToken()]) {
      for (let count = 0; count < 8; count += 1) {
        const id = bench.commit({ sign: signWith(token), message: `Change ${count}` });
        expect(verdicts(id, `ana@example.org ${token.line}\n`)).toEqual(GOOD);
      }
    }
    const [one, other] = [ed25519Token(), ed25519Token()];
    const claimed = bench.commit({ sign: signWith({ ...one, blob: other.blob }) });
    expect(verdicts(claimed, `ana@example.org ${other.line}\n`)).toEqual(refused('signature-invalid'));
  });

  it('bytes after the signature, its reserved field in use, and hashes that are not in the format', () => {
    const key = ed25519Key();
    const by = (envelope: Parameters<typeof signWith>[1]) =>
      verdicts(bench.commit({ sign: signWith(key, envelope) }), `ana@example.org ${key.line}\n`);
    expect(by({})).toEqual(GOOD);
    expect(by({ tail: Buffer.from('x') })).toEqual(refused('signature-malformed'));
    expect(by({ reserved: 'x' })).toEqual(refused('signature-unsupported'));
    expect(by({ hash: 'sha384' })).toEqual(refused('signature-unsupported'));
    expect(by({ hash: 'sha1' })).toEqual(refused('signature-unsupported'));
  });

  it('armour with lines of other lengths, which other programs than ssh-keygen write', () => {
    const key = ed25519Key();
    for (const width of [64, 76]) {
      const sign = signWith(key);
      const rewrapped = (payload: Buffer): string => {
        const [begin = '', ...data] = sign(payload).trimEnd().split('\n');
        const end = data.pop() ?? '';
        const lines = data.join('').match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
        return `${[begin, ...lines, end].join('\n')}\n`;
      };
      expect(verdicts(bench.commit({ sign: rewrapped }), `ana@example.org ${key.line}\n`), String(width)).toEqual(GOOD);
    }
  });

  it('tampered content', () => {
    expect(verdicts(signed({ tamper: (raw) => raw.replace('Change', 'Chance') }), allow())).toEqual(refused('signature-invalid'));
  });

  it('a missing signature', () => {
    expect(verdicts(bench.commit({}), allow())).toEqual(refused('unsigned'));
  });

  it("a stranger's key, and a stranger's signature under the name of a known key", () => {
    const sign = bench.signSsh(stranger);
    expect(verdicts(bench.commit({ sign }), allow())).toEqual(refused('signer-unknown'));
    const masked = bench.commit({
      sign: (payload) => {
        const blob = (key: SshKey): Buffer => Buffer.from(key.line.split(' ')[1] ?? '', 'base64');
        const bytes = Buffer.from(sign(payload).replace(/-----.*-----/g, ''), 'base64');
        const at = bytes.indexOf(blob(stranger));
        blob(ed).copy(bytes, at);
        return `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64').replace(/.{70}/g, '$&\n')}\n-----END SSH SIGNATURE-----\n`;
      },
    });
    expect(verdicts(masked, allow())).toEqual(refused('signature-invalid'));
  });

  it('another namespace, of the signature and of the signer', () => {
    expect(verdicts(signed({ sign: bench.signSsh(ed, '-n', 'file') }), allow())).toEqual(refused('signature-invalid'));
    expect(verdicts(signed(), allow('namespaces="file"') + allow('', stranger))).toEqual(refused('signer-not-valid'));
    expect(verdicts(signed(), allow('namespaces="file,git"'))).toEqual(GOOD);
    expect(verdicts(signed(), allow('namespaces="g*"'))).toEqual(GOOD);
    expect(verdicts(signed(), allow('namespaces="!git,*"') + allow('', stranger))).toEqual(refused('signer-not-valid'));
  });

  it('windows of validity, by the time of the commit', () => {
    // ssh-keygen alone uses the current time; git passes it the time of the commit.
    const byGit = (id: string, allowed: string) => ({
      ours: ourVerdict(bench.raw(id), { allowedSigners: allowed }),
      git: bench.gitAcceptsSsh(id, allowed),
    });
    const old = signed({ seconds: daysAgo(100) });
    const recent = signed();
    const until = (days: number): string => allow(`valid-before="${sshTime(daysAgo(days))}"`);
    const since = (days: number): string => allow(`valid-after="${sshTime(daysAgo(days))}"`);
    expect(byGit(old, until(50))).toEqual({ ours: 'ok', git: true });
    expect(byGit(recent, until(50))).toEqual({ ours: 'signer-not-valid', git: false });
    expect(byGit(old, until(100))).toEqual({ ours: 'ok', git: true });
    expect(byGit(old, since(100))).toEqual({ ours: 'ok', git: true });
    expect(byGit(old, since(99))).toEqual({ ours: 'signer-not-valid', git: false });
    expect(byGit(recent, since(1))).toEqual({ ours: 'ok', git: true });
    expect(byGit(old, since(99) + until(50))).toEqual({ ours: 'ok', git: true });
  });

  it('principals of every form', () => {
    for (const principals of ['ana@example.org', '*@example.org', '"ana@example.org,bob@example.org"', '!eve@example.org,*'])
      expect(verdicts(signed(), `# signers\n\n  ${principals} ${ed.line} a comment\n`), principals).toEqual(GOOD);
  });

  it.each<[string, (raw: string) => string, string]>([
    ['its first line', (raw) => raw.replace('BEGIN SSH', 'BEGIN SHH'), 'signature-unsupported'],
    ['its last line', (raw) => raw.replace(/\n -----END SSH SIGNATURE-----/, ''), 'signature-malformed'],
    ['a line of data', (raw) => raw.replace(/\n [A-Za-z0-9+/]{70}\n/, '\n'), 'signature-malformed'],
    ['its last characters', (raw) => raw.replace(/.{8}\n -----END/, '\n -----END'), 'signature-malformed'],
  ])('armour without %s', (_what, tamper, code) => {
    expect(verdicts(signed({ tamper }), allow())).toEqual(refused(code));
  });

  describe('conservative exceptions: git accepts, this project does not', () => {
    it('a second header of signatures: readers differ on what is signed', () => {
      const tamper = (raw: string): string => raw.replace('\ngpgsig ', '\ngpgsig-sha256 abc\ngpgsig ');
      expect(verdicts(signed({ tamper }), allow())).toMatchObject({ ours: 'signature-malformed', git: true });
    });

    it('a commit from the future: its key may expire before its time comes', () => {
      expect(verdicts(signed({ seconds: NOW_SECONDS + 3600 }), allow())).toEqual(onlyGitAccepts('commit-in-future'));
      expect(verdicts(signed({ seconds: NOW_SECONDS + 120 }), allow())).toEqual(GOOD);
    });

    it('RSA keys of less than 2048 bits', () => {
      const weak = bench.sshKey('weak', '-t', 'rsa', '-b', '1024');
      const id = bench.commit({ sign: bench.signSsh(weak) });
      expect(verdicts(id, allow('', weak))).toEqual(onlyGitAccepts('signers'));
      expect(verdicts(id, allow())).toEqual(refused('signer-unknown'));
    });

    it('an allowed signers file with an unusable line: this project refuses the whole file instead of skipping the line', () => {
      for (const line of ['bob@example.org ssh-ed25519 !!!', 'bob@example.org colour="blue" ssh-ed25519 AAAA', 'bob@example.org'])
        expect(verdicts(signed(), `${line}\n${allow()}`), line).toEqual(onlyGitAccepts('signers'));
    });

    it('a security token without a touch', () => {
      for (const token of [ed25519Token(0), ecdsaToken(0)])
        expect(verdicts(bench.commit({ sign: signWith(token) }), `ana@example.org ${token.line}\n`)).toEqual(
          onlyGitAccepts('signature-invalid'),
        );
    });

    it('certificate authorities', () => {
      expect(verdicts(signed(), allow('cert-authority', stranger) + allow())).toEqual(onlyGitAccepts('signers'));
    });

    it('times in the local zone of the machine', () => {
      expect(verdicts(signed(), allow('valid-after="20200101"'))).toEqual(onlyGitAccepts('signers'));
    });
  });
});
