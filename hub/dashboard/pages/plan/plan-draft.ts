import { DEFAULT_LIMITS } from '@fso/shared/decode/portable';
import type { PlanRequest } from '@fso/shared/effects/portable';

/** Policy that is being edited: the text of its document, and its file in the repository. */
export interface PlanDraft {
  readonly path: string;
  readonly text: string;
}

/** Initial path of a new policy. */
export const NEW_PATH = 'policies/new.yaml';

const MAX_KIB = DEFAULT_LIMITS.maxFileBytes / 1024;

/** @returns what is missing or too long, in words; undefined if the draft can be sent to the hub */
export const draftProblem = ({ path, text }: PlanDraft): string | undefined => {
  if (text.trim() === '') return 'Paste a policy, or open one.';
  if (path.trim() === '') return 'Say in which file of the repository it is.';
  const kib = new TextEncoder().encode(text).length / 1024;
  return kib > MAX_KIB ? `The text has ${Math.ceil(kib)} KiB; a file of the repository has at most ${MAX_KIB} KiB.` : undefined;
};

export const isSameDraft = (a: PlanDraft, b: PlanDraft): boolean => a.text === b.text && a.path === b.path;

/** Creates the request of a plan for the commit in force with this policy in it. */
export const requestOf = ({ path, text }: PlanDraft): PlanRequest => ({ patch: true, files: { [path.trim()]: text } });

/** Name of the downloaded file. */
export const fileName = ({ path }: PlanDraft): string => path.trim().split('/').at(-1) || 'policy.yaml';
