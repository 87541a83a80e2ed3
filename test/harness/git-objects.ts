import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { filesOfRevision, type GitObjectType, parseCommit, type RawObject, SIGNERS_FOLDER } from '@fso/shared/git';
import type { Offer, WholeObject } from '@fso/shared/protocol';

/** Offer with complete objects only. */
export type WholeOffer = Omit<Offer, 'objects'> & { objects: WholeObject[] };

/** Real Git repository, from which a scripted hub takes its objects. */
export interface ObjectRepository {
  /** Writes files (`undefined` removes one) and commits. @returns the commit id */
  commit(files: Readonly<Record<string, string | undefined>>): string;
  /**
   * Returns the objects of a commit without those of another commit, and the proof that it descends
   * from a third one along first parents.
   *
   * @param cluster returns only the part of this cluster
   */
  offer(revision: string, holds: string | null, anchor?: string, cluster?: string): Promise<WholeOffer>;
  /** Runs any git command in the repository. */
  git(...args: string[]): string;
  remove(): void;
}

export const makeObjectRepository = (): ObjectRepository => {
  const folder = mkdtempSync(join(tmpdir(), 'fso-objects-'));
  const who = {
    GIT_AUTHOR_NAME: 'Ana',
    GIT_AUTHOR_EMAIL: 'ana@example.org',
    GIT_COMMITTER_NAME: 'Ana',
    GIT_COMMITTER_EMAIL: 'ana@example.org',
  };
  const env = { PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1', ...who };
  const git = (...args: string[]): Buffer => execFileSync('git', args, { cwd: folder, env });
  git('init', '--quiet', '--initial-branch=main');

  const read = (id: string): RawObject => {
    const type = git('cat-file', '-t', id).toString().trim() as GitObjectType;
    return { type, data: git('cat-file', type, id) };
  };
  const text = (...args: string[]): string =>
    git(...args)
      .toString()
      .trim();
  /**
   * Returns the ids of all objects of a commit, even if agents would refuse it, or of a cluster's
   * part of it.
   */
  const objectsOf = async (revision: string, cluster?: string): Promise<readonly string[]> => {
    if (cluster === undefined)
      return [revision, text('rev-parse', `${revision}^{tree}`), ...text('ls-tree', '-r', '-t', '--object-only', revision).split('\n')];
    const walked = await filesOfRevision(revision, read, { cluster });
    if (!walked.ok) throw new Error(`revision ${revision} cannot be read`);
    return [...walked.objects.keys()];
  };
  /**
   * Returns the ids of the commits after the anchor, oldest first, and of the objects that prove
   * them.
   */
  const proofOf = (anchor: string, revision: string): { chain: string[]; ids: string[] } => {
    const chain = text('rev-list', '--first-parent', '--reverse', `${anchor}..${revision}`).split('\n');
    const ids = chain.flatMap((id) => {
      const { tree } = parseCommit(read(id).data);
      const signers = text('ls-tree', '-r', '-t', '--object-only', id, '--', SIGNERS_FOLDER).split('\n').filter(Boolean);
      return [id, tree, ...signers];
    });
    return { chain, ids };
  };
  return {
    git: text,
    commit: (files) => {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        if (text === undefined) rmSync(join(folder, path));
        else writeFileSync(join(folder, path), text);
      }
      git('add', '--all');
      git('commit', '--quiet', '--allow-empty', '--message', 'Change');
      return git('rev-parse', 'HEAD').toString().trim();
    },
    offer: async (revision, holds, anchor, cluster) => {
      const held = new Set(holds === null ? [] : await objectsOf(holds, cluster));
      const { chain, ids } = anchor === undefined || anchor === revision ? { chain: [revision], ids: [] } : proofOf(anchor, revision);
      const wanted = new Set([...ids, ...(await objectsOf(revision, cluster))]);
      const objects: WholeObject[] = [...wanted]
        .filter((id) => !held.has(id))
        .map((id) => ({ id, type: read(id).type, data: Buffer.from(read(id).data).toString('base64') }));
      return { type: 'offer', revision, anchor: anchor ?? null, chain, objects };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
