import { DEFAULT_LIMITS } from '@fso/shared/decode/portable';
import type { PlanRequest } from '@fso/shared/effects/portable';

/** A policy while it is edited: the text of its document, and the file of the repository. */
export interface PlanDraft {
  readonly path: string;
  readonly text: string;
}

/** Path that a new policy gets first. */
export const NEW_PATH = 'policies/new.yaml';

const MAX_KIB = DEFAULT_LIMITS.maxFileBytes / 1024;

/** @returns what is missing, or too much, in words; undefined: the hub can be asked */
export const draftProblem = ({ path, text }: PlanDraft): string | undefined => {
  if (text.trim() === '') return 'Paste a policy, or open one.';
  if (path.trim() === '') return 'Say in which file of the repository it is.';
  const kib = new TextEncoder().encode(text).length / 1024;
  return kib > MAX_KIB ? `The text has ${Math.ceil(kib)} KiB; a file of the repository has at most ${MAX_KIB} KiB.` : undefined;
};

export const isSameDraft = (a: PlanDraft, b: PlanDraft): boolean => a.text === b.text && a.path === b.path;

/** Asks for a plan of the commit in force with this policy in it. */
export const requestOf = ({ path, text }: PlanDraft): PlanRequest => ({ patch: true, files: { [path.trim()]: text } });

/** Name under which a browser stores the file. */
export const fileName = ({ path }: PlanDraft): string => path.trim().split('/').at(-1) || 'policy.yaml';
