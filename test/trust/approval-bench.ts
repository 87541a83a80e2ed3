import type { RolloutStrategySpec } from '@fso/shared/api';
import { approvalTag } from '@fso/shared/rollout';
import { parseSigners, type SignerFiles, verifyCommit } from '@fso/shared/signatures';
import { approvalRuleOf, asksImmediate, findMissingApproval } from '@fso/shared/trust';
import { afterAll, beforeAll } from 'vitest';
import { makeObjectRepository, type ObjectRepository } from '../harness/git-objects.ts';
import { type GpgHome, openSigningBench, type SigningBench, type SshKey } from './signing-bench.ts';

export const MINUTE = 60_000;
export const HOUR: number = 60 * MINUTE;

/** Returns the arguments of git that sign with a key. */
export const sshSettings = ({ file }: SshKey): string[] => ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${file}`];

export const signersFor = (...keys: readonly (readonly [principal: string, key: SshKey])[]): string =>
  keys.map(([principal, { line }]) => `${principal} namespaces="git" ${line}\n`).join('');

export interface Case {
  readonly commit?: string;
  /** Milliseconds from now to the time of the verification. */
  readonly later?: number;
  /** Newest signers; default: those of the commit in force. */
  readonly newest?: SignerFiles;
  /** Signers by which the commit is judged; default: those of the commit in force. */
  readonly signedBy?: SignerFiles;
}

/** Commits and tags of git, ssh-keygen and gpg, judged like by an agent of the wave production. */
class ApprovalBench {
  readonly repository: ObjectRepository = makeObjectRepository();
  readonly #keys: SigningBench = openSigningBench();
  readonly ana: SshKey = this.#key('ana');
  readonly anaToo: SshKey = this.#key('ana-2');
  readonly bob: SshKey = this.#key('bob');
  readonly bobToo: SshKey = this.#key('bob-2');
  readonly carol: SshKey = this.#key('carol');
  readonly dan: SshKey = this.#key('dan');
  readonly forge: SshKey = this.#key('forge');
  readonly home: GpgHome = this.#keys.gpgHome('approvers');
  /** Fingerprints of the OpenPGP primary keys of Ana and Gil. */
  readonly anaPgp: string = this.home.generate('ana', 'ed25519');
  readonly gil: string = this.home.generate('gil', 'ed25519');
  readonly files: SignerFiles;
  /** Commit of Ana. */
  readonly revision: string;

  constructor() {
    this.home.gpg(['--quick-add-key', this.gil, 'ed25519', 'sign', '0']);
    this.files = {
      allowedSigners: signersFor(
        ['ana@example.org', this.ana],
        ['ana@example.org', this.anaToo],
        ['bob@example.org', this.bob],
        ['carol@example.org', this.carol],
        ['dan@example.org', this.dan],
        ['forge@example.org', this.forge],
      ),
      keyring: this.home.export(this.anaPgp, this.gil),
    };
    this.repository.commit({ 'README.md': 'Policies' });
    this.revision = this.commit(sshSettings(this.ana));
  }

  #key(name: string): SshKey {
    return this.#keys.sshKey(name, '-t', 'ed25519');
  }

  pgpSettings(key: string): string[] {
    return ['-c', `gpg.program=${this.#keys.gpgProgram(this.home)}`, '-c', `user.signingKey=${key}`];
  }

  commit(settings: readonly string[], message = 'Change'): string {
    this.repository.git(...settings, 'commit', '--quiet', '--allow-empty', '--gpg-sign', '--message', message);
    return this.repository.git('rev-parse', 'HEAD');
  }

  tag(settings: readonly string[], name: string, target = this.revision): Buffer {
    this.repository.git(...settings, 'tag', '--force', '--sign', '--message', 'Approve', name, target);
    return Buffer.from(`${this.repository.git('cat-file', 'tag', name)}\n`);
  }

  approve(key: SshKey, suffix = ''): Buffer {
    return this.tag(sshSettings(key), approvalTag(this.revision, 'production') + suffix);
  }

  /**
   * @returns number of missing approvals, and the problems of the tags; empty if the commit is
   * approved
   */
  async judge(tags: readonly Uint8Array[], { commit = this.revision, later = 0, newest = this.files, signedBy }: Case = {}) {
    const strategy: RolloutStrategySpec = {
      waves: [{ name: 'production', clusterSelector: {}, approval: 'Required' }],
      approvers: ['ana@example.org', 'bob@example.org', 'carol@example.org', this.anaPgp, this.gil],
      hostingSigners: ['forge@example.org'],
    };
    const rule = approvalRuleOf(strategy, {});
    const { objects } = await this.repository.offer(commit, null);
    const raw = Buffer.from(objects.find(({ id }) => id === commit)?.data ?? '', 'base64');
    if (rule === undefined) throw new Error('the wave has no rule');
    const [base, after] = [parseSigners(this.files), parseSigners(newest)];
    const signer = verifyCommit(raw, signedBy === undefined ? base : parseSigners(signedBy), new Date());
    const step = { revision: commit, rule, isImmediate: asksImmediate(raw), signer, base, newest: after };
    const held = findMissingApproval({ ...step, tags, now: new Date(Date.now() + later) });
    return held === undefined ? [] : [held.missing, ...held.problems];
  }

  close(): void {
    this.repository.remove();
    this.#keys.close();
  }
}

/** Opens a bench for the tests of a file. */
export const useApprovalBench = (): (() => ApprovalBench) => {
  let bench: ApprovalBench | undefined;
  beforeAll(() => {
    bench = new ApprovalBench();
  });
  afterAll(() => bench?.close());
  return () => {
    if (bench === undefined) throw new Error('the bench is not open');
    return bench;
  };
};
