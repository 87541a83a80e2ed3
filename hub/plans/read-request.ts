import { createHash } from 'node:crypto';
import type { ProblemView } from '@fso/shared/api';
import { createDecoder, type decodeOnto, type PolicySet, type SourceFile } from '@fso/shared/decode';
import { MAX_BRANCH_REQUEST_BYTES, PlanRequest } from '@fso/shared/effects';
import { byText } from '@fso/shared/encoding';
import { DEFAULT_WALK_LIMITS } from '@fso/shared/git';
import { exceededJsonLimit } from '@fso/shared/protocol';
import type { BranchError } from '../source/index.ts';

/** Refusal of a request. Its texts may quote the files, so they are for the caller only. */
export interface PlanRefusal {
  readonly ok: false;
  readonly code: 'too-large' | BranchError['code'];
  readonly detail: string;
  readonly problems: readonly ProblemView[];
}

/** Options of a request. Lists that the request omits are empty. */
export interface PlanOptions {
  readonly at: string | undefined;
  readonly clusters: readonly string[];
  readonly withoutClusters: readonly string[];
  readonly withoutRegions: readonly string[];
}

interface ReadRequest {
  readonly ok: true;
  readonly options: PlanOptions;
  /** Stored plan that the change names, not validated; undefined if it names none. */
  readonly accept: string | undefined;
  /** SHA-256 (hex) of the files. */
  readonly change: string;
  readonly set: PolicySet;
}

/** Limits of the JSON of a request. They allow as many files as a commit may have. */
const JSON_LIMITS = { depth: 4, values: 60_000, keys: 30_000 };

/** Refuses a request for a plan. @param detail the reason, as a sentence */
export const refusePlan = (
  detail: string,
  problems: readonly ProblemView[] = [],
  code: PlanRefusal['code'] = 'bad-request',
): PlanRefusal => ({ ok: false, code, detail, problems });

const parse = (body: Uint8Array): unknown => {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  const exceeded = exceededJsonLimit(text, JSON_LIMITS);
  if (exceeded !== undefined) throw new RangeError(exceeded);
  return JSON.parse(text);
};

/** Reads the JSON of a request. Never throws. */
export const readJson = (body: Uint8Array): PlanRequest | PlanRefusal => {
  try {
    const parsed = PlanRequest.safeParse(parse(body));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    return refusePlan(`body ${issue?.path.join('.')}: ${issue?.message}`);
  } catch (error) {
    return error instanceof RangeError
      ? refusePlan(`body: ${error.message}`, [], 'too-large')
      : refusePlan('The body is not JSON in UTF-8.');
  }
};

const digestOf = (files: readonly SourceFile[]): string => {
  const hash = createHash('sha256');
  for (const { path, text } of files.toSorted((left, right) => byText(left.path, right.path))) hash.update(JSON.stringify([path, text]));
  return hash.digest('hex');
};

/** Files of a request, or of the branch that it names. */
const filesOf = (
  { branch, files, patch }: PlanRequest,
  ofBranch: readonly SourceFile[] | undefined,
): readonly SourceFile[] | PlanRefusal => {
  if (branch === undefined)
    return files === undefined
      ? refusePlan('body: it has neither files nor a branch')
      : Object.entries(files).map(([path, text]) => ({ path, text }));
  if (files !== undefined || patch !== undefined) return refusePlan('body: it has files beside a branch');
  return ofBranch ?? refusePlan(`body: a request for a branch has ${MAX_BRANCH_REQUEST_BYTES} bytes at most`, [], 'too-large');
};

/**
 * Reads a request, and decodes its files as those of a commit. Never throws.
 *
 * @param patch decodes files that are applied on top of the commit in force
 * @param ofBranch files of the branch that the request names
 */
export const readRequest = (
  body: Uint8Array,
  patch: (files: readonly SourceFile[]) => ReturnType<typeof decodeOnto>,
  ofBranch?: readonly SourceFile[],
): ReadRequest | PlanRefusal => {
  const request = readJson(body);
  if ('ok' in request) return request;
  const { patch: isPatch = false, accept, at, clusters = [], withoutClusters = [], withoutRegions = [] } = request;
  const files = filesOf(request, ofBranch);
  if ('ok' in files) return files;
  const bytes = files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  if (bytes > DEFAULT_WALK_LIMITS.maxTotalBytes)
    return refusePlan(`The files have ${bytes} bytes, more than the ${DEFAULT_WALK_LIMITS.maxTotalBytes} of a commit.`, [], 'too-large');
  const decoded = isPatch ? patch(files) : createDecoder()(files);
  if (!decoded.ok) return refusePlan('The files are not valid, so there is nothing to compare.', decoded.problems);
  const options = { at, clusters, withoutClusters, withoutRegions };
  // Without this check, files of a wrong folder would read as the removal of every policy.
  if (decoded.set.policies.length + decoded.set.clusters.length > 0)
    return { ok: true, options, accept, change: digestOf(files), set: decoded.set };
  return refusePlan('The files have no policies and no clusters: are their paths those of a policy repository?');
};
