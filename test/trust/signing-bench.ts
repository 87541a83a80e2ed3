import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSigners, SignatureError, type SignerFiles, SignersError, verifyCommit } from '@fso/shared/signatures';

/** Signs bytes. @returns the armoured signature */
export type Sign = (payload: Buffer) => string;

export interface CommitOptions {
  readonly message?: string;
  /** Time of the committer, seconds since 1970. */
  readonly seconds?: number;
  readonly sign?: Sign;
  /** Changes the object after it was signed. */
  readonly tamper?: (raw: string) => string;
}

export interface SshKey {
  readonly file: string;
  /** Public key as in an allowed signers file: type and base64. */
  readonly line: string;
}

/** Keys and commits, created by the real programs: git, ssh-keygen and gpg. */
export interface SigningBench {
  readonly folder: string;
  /** Stores a raw commit object in the repository. @returns its id */
  commit(options: CommitOptions): string;
  /** Creates a commit with git, which also signs it. @param settings settings for `git -c` */
  commitByGit(settings: readonly string[]): string;
  raw(id: string): Buffer;
  /** @param allowed content of an allowed signers file */
  gitAcceptsSsh(id: string, allowed: string): boolean;
  /** @param keyring armoured keys, which are imported into a separate home */
  gitAcceptsPgp(id: string, keyring: string): boolean;
  /** Whether `ssh-keygen -Y verify` accepts a commit's signature in the name of a principal. */
  sshKeygenAccepts(id: string, allowed: string, principal: string): boolean;
  sshKey(name: string, ...args: readonly string[]): SshKey;
  signSsh(key: SshKey, ...args: readonly string[]): Sign;
  /** Creates a home folder of gpg with its own keys. */
  gpgHome(name: string): GpgHome;
  /** Creates a program for `gpg.program` that signs with the keys of a home. */
  gpgProgram(home: GpgHome): string;
  close(): void;
}

export interface GpgHome {
  gpg(args: readonly string[], input?: string | Buffer): Buffer;
  /** Creates a key without a passphrase. @returns its fingerprint */
  generate(name: string, algorithm: string, ...rest: readonly string[]): string;
  sign(key: string, ...args: readonly string[]): Sign;
  export(...keys: readonly string[]): string;
  /** Returns the fingerprints of a key and its subkeys. */
  fingerprints(key: string): readonly string[];
  /** Edits a key. @param answers answers to the prompts of `gpg --edit-key` */
  edit(key: string, answers: readonly string[]): void;
  revoke(key: string): void;
  readonly home: string;
}

export const NOW_SECONDS: number = Math.floor(Date.now() / 1000);
const DAY = 86_400;
export const daysAgo = (days: number): number => NOW_SECONDS - days * DAY;
/** Formats a time as in allowed signers: `YYYYMMDDHHMMSSZ`. */
export const sshTime = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/[-:T]|\.000/g, '');
/** Formats a time for `gpg --faked-system-time`. */
export const gpgTime = (seconds: number): string => `${new Date(seconds * 1000).toISOString().replace(/[-:]|\.000Z/g, '')}!`;

/** Puts a signature into a commit like git: before the empty line. */
export const withSignature = (payload: string, signature: string): string => {
  const end = payload.indexOf('\n\n');
  return `${payload.slice(0, end)}\ngpgsig ${signature.trimEnd().replaceAll('\n', '\n ')}${payload.slice(end)}`;
};

/** Creates a home folder of gpg. */
const makeGpgHome = (name: string, env: NodeJS.ProcessEnv): GpgHome => {
  const home = mkdtempSync(join(tmpdir(), `fso-${name}-`));
  chmodSync(home, 0o700);
  const gpg = (args: readonly string[], input?: string | Buffer): Buffer =>
    execFileSync('gpg', ['--batch', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', '', '--homedir', home, ...args], {
      env,
      stdio: 'pipe',
      ...(input === undefined ? {} : { input }),
    });
  return {
    home,
    gpg,
    generate: (uid, algorithm, ...rest) => {
      const [usage = 'sign', expire = '0', ...options] = rest;
      gpg([...options, '--quick-generate-key', `${uid} <${uid}@example.org>`, algorithm, usage, expire]);
      const listed = gpg(['--with-colons', '--fingerprint', `=${uid} <${uid}@example.org>`]).toString();
      return /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? '';
    },
    sign:
      (key, ...args) =>
      (payload) =>
        gpg([...args, '--armor', '--local-user', key, '--detach-sign'], payload).toString(),
    fingerprints: (key) =>
      [
        ...gpg(['--with-colons', '--with-subkey-fingerprint', '--list-keys', key])
          .toString()
          .matchAll(/^fpr:+([0-9A-F]{40}):/gm),
      ].map(([, fingerprint = '']) => fingerprint),
    edit: (key, answers) => void gpg(['--command-fd', '0', '--yes', '--edit-key', key], `${answers.join('\n')}\n`),
    revoke: (key) => {
      const certificate = readFileSync(join(home, 'openpgp-revocs.d', `${key}.rev`), 'utf8').replace(':-----BEGIN', '-----BEGIN');
      gpg(['--import'], certificate.slice(certificate.indexOf('-----BEGIN')));
    },
    export: (...keys) => gpg(['--armor', '--export', ...keys]).toString(),
  };
};

/** Returns an environment with one author and without the settings of this machine. */
const environmentIn = (home: string): NodeJS.ProcessEnv => {
  const who = (role: string) => ({ [`GIT_${role}_NAME`]: 'Ana', [`GIT_${role}_EMAIL`]: 'ana@example.org' });
  const { PATH } = process.env;
  return { PATH, HOME: home, TZ: 'UTC', LC_ALL: 'C', GIT_CONFIG_NOSYSTEM: '1', ...who('AUTHOR'), ...who('COMMITTER') };
};

export const openSigningBench = (): SigningBench => {
  // gpg's sockets need a short path.
  const folder = mkdtempSync(join(tmpdir(), 'fso-sig-'));
  const homes: GpgHome[] = [];
  const env = environmentIn(folder);
  const git = (args: readonly string[], input?: string | Buffer): Buffer =>
    execFileSync('git', args, { cwd: folder, env, ...(input === undefined ? {} : { input }), stdio: 'pipe' });
  git(['init', '--quiet', '--initial-branch=main']);
  const tree = git(['mktree'], '').toString().trim();
  let files = 0;
  const file = (content: string | Buffer): string => {
    files += 1;
    const path = join(folder, `file-${files}`);
    writeFileSync(path, content);
    return path;
  };
  const accepts = (args: readonly string[], gnupgHome: string): boolean =>
    spawnSync('git', args, { cwd: folder, env: { ...env, GNUPGHOME: gnupgHome }, stdio: 'ignore' }).status === 0;

  const makeHome = (name: string): GpgHome => {
    const made = makeGpgHome(name, env);
    homes.push(made);
    return made;
  };

  const bench: SigningBench = {
    folder,
    raw: (id) => git(['cat-file', 'commit', id]),
    commit: ({ message = 'Change', seconds = Math.floor(Date.now() / 1000), sign, tamper = (raw) => raw }) => {
      const time = `Ana <ana@example.org> ${seconds} +0000`;
      const payload = `tree ${tree}\nauthor ${time}\ncommitter ${time}\n\n${message}\n`;
      const raw = sign === undefined ? payload : withSignature(payload, sign(Buffer.from(payload)));
      return git(['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], tamper(raw)).toString().trim();
    },
    commitByGit: (settings) => {
      git([...settings.flatMap((setting) => ['-c', setting]), 'commit', '--quiet', '--allow-empty', '-S', '--message', 'By git']);
      return git(['rev-parse', 'HEAD']).toString().trim();
    },
    gitAcceptsSsh: (id, allowed) => accepts(['-c', `gpg.ssh.allowedSignersFile=${file(allowed)}`, 'verify-commit', id], '/nonexistent'),
    gitAcceptsPgp: (id, keyring) => {
      const home = makeHome('ring');
      spawnSync('gpg', ['--batch', '--homedir', home.home, '--import'], { env, input: keyring, stdio: 'pipe' });
      return accepts(['verify-commit', id], home.home);
    },
    sshKeygenAccepts: (id, allowed, principal) => {
      const raw = bench.raw(id).toString('latin1');
      const signature = /\ngpgsig ((?:.*\n )*.*)\n/.exec(raw);
      const payload = raw.replace(signature?.[0] ?? '', '\n');
      const armored = file(`${(signature?.[1] ?? '').replaceAll('\n ', '\n')}\n`);
      const args = ['-Y', 'verify', '-n', 'git', '-f', file(allowed), '-I', principal, '-s', armored];
      return spawnSync('ssh-keygen', args, { env, input: Buffer.from(payload, 'latin1'), stdio: 'pipe' }).status === 0;
    },
    sshKey: (name, ...args) => {
      const path = join(folder, name);
      execFileSync('ssh-keygen', ['-q', '-N', '', '-C', name, '-f', path, ...args], { env, stdio: 'pipe' });
      const [type, base64] = readFileSync(`${path}.pub`, 'utf8').split(' ');
      return { file: path, line: `${type} ${base64}` };
    },
    signSsh:
      (key, ...args) =>
      (payload) =>
        execFileSync('ssh-keygen', ['-Y', 'sign', '-q', '-f', key.file, ...(args.length > 0 ? args : ['-n', 'git'])], {
          env,
          input: payload,
          stdio: 'pipe',
        }).toString(),
    gpgHome: makeHome,
    gpgProgram: ({ home }) => {
      const path = file(`#!/bin/sh\nexec gpg --batch --pinentry-mode loopback --passphrase '' --homedir '${home}' "$@"\n`);
      chmodSync(path, 0o755);
      return path;
    },
    close: () => {
      for (const { home } of homes) {
        spawnSync('gpgconf', ['--homedir', home, '--kill', 'all'], { env, stdio: 'ignore' });
        rmSync(home, { recursive: true, force: true });
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return bench;
};

/**
 * Returns `ok`, the code of a refusal, or `signers` if the signers' files themselves are refused.
 */
export const ourVerdict = (raw: Buffer, files: SignerFiles, now = new Date()): string => {
  try {
    verifyCommit(raw, parseSigners(files), now);
    return 'ok';
  } catch (error) {
    if (error instanceof SignersError) return 'signers';
    if (error instanceof SignatureError) return error.code;
    throw error;
  }
};
