import { Argument, InvalidArgumentError } from 'commander';

/** What there is to list and to show, with the other names that each goes by: singular and short ones, as kubectl takes them. */
const NAMES = {
  policies: ['policy', 'pol', 'sp', 'sovereignpolicy', 'sovereignpolicies'],
  clusters: ['cluster', 'managedcluster', 'managedclusters'],
  violations: ['violation'],
  events: ['event', 'ev'],
  commits: ['commit'],
} as const;

export type Kind = keyof typeof NAMES;
export const KINDS: readonly Kind[] = ['policies', 'clusters', 'violations', 'events', 'commits'];

const kindOf = (text: string): Kind | undefined => {
  const name = text.toLowerCase();
  return KINDS.find((kind) => kind === name || NAMES[kind].some((other) => other === name));
};

/** `policies (policy, pol, …), clusters (…)` */
const listNames = (kinds: readonly Kind[]): string => kinds.map((kind) => `${kind} (${NAMES[kind].join(', ')})`).join(', ');

/** The argument of a command that names a kind. */
export const kindArgument = (description: string, kinds: readonly Kind[] = KINDS): Argument =>
  new Argument('<kind>', `${description}: ${listNames(kinds)}`).argParser((text: string): Kind => {
    const kind = kindOf(text);
    if (kind === undefined || !kinds.includes(kind)) throw new InvalidArgumentError(`Must be one of ${listNames(kinds)}.`);
    return kind;
  });
