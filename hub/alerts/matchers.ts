import type { AlertLabels, AlertSeverity } from '@fso/shared/api';

/** Labels of an alert that routes and silences can match. */
export const MATCHED_LABELS = ['name', 'severity', 'cluster', 'policy', 'region', 'team'] as const;
/** Label of an alert that routes and silences can match. */
export type MatchedLabel = (typeof MATCHED_LABELS)[number];

/** Name, severity and labels of an alert, by which it is routed, grouped and silenced. */
export type LabelSet = { readonly [L in MatchedLabel]?: string | undefined };

/** Makes the label set of an alert. */
export const labelSetOf = (alert: { readonly name: string; readonly severity: AlertSeverity; readonly labels: AlertLabels }): LabelSet => ({
  name: alert.name,
  severity: alert.severity,
  ...alert.labels,
});

/**
 * Condition on one label, in the syntax of Alertmanager; an absent label counts as the empty text.
 */
export interface Matcher {
  readonly label: MatchedLabel;
  readonly negated: boolean;
  /** Alternatives: one of them has to match. */
  readonly patterns: readonly Pattern[];
}

/** Pieces of a text, with anything between them. */
type Pattern = readonly string[];

const MATCHER = /^\s*([a-z]+)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))\s*$/;

const unquote = (text: string): string => text.replaceAll(/\\(["\\])/g, '$1');

/**
 * Parts of a regular expression that are supported: an escaped character, anything, another branch,
 * a plain character.
 */
const TOKEN = /\\([^\p{L}\p{N}])|(\.\*)|(\|)|([^\\^$+?()[\]{}.*|])/uy;

/**
 * Parses a subset of regular expressions that has the same meaning in Alertmanager. It matches in
 * linear time, as the values come from clusters.
 */
const parsePatterns = (text: string): Pattern[] => {
  const branches: string[][] = [['']];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (token === null) throw new Error(`of a regular expression only .*, | and \\. are supported, is ${JSON.stringify(text)}`);
    const [, escaped, anything, branch, plain] = token;
    if (branch !== undefined) branches.push(['']);
    else if (anything !== undefined) branches.at(-1)?.push('');
    else branches.at(-1)?.push(`${branches.at(-1)?.pop() ?? ''}${escaped ?? plain ?? ''}`);
  }
  return branches;
};

const isLabel = (name: string): name is MatchedLabel => (MATCHED_LABELS as readonly string[]).includes(name);

/**
 * Reads `cluster="eu-1"`, `severity!=info` or `name=~"Policy.*|Violations"`.
 *
 * @throws Error that says what is expected
 */
export const parseMatcher = (text: string): Matcher => {
  const [, label = '', operator = '', quoted, bare = ''] = MATCHER.exec(text) ?? [];
  if (operator === '') throw new Error(`must be a matcher such as severity="critical" or cluster=~"eu-.*", is ${JSON.stringify(text)}`);
  if (!isLabel(label)) throw new Error(`label must be one of ${MATCHED_LABELS.join(', ')}, is ${label}`);
  const value = quoted ?? bare;
  const patterns = operator.endsWith('~') ? parsePatterns(value) : [[unquote(value)]];
  return { label, negated: operator.startsWith('!'), patterns };
};

const matchesPattern = ([head = '', ...others]: Pattern, text: string): boolean => {
  const last = others.pop();
  if (last === undefined) return text === head;
  if (!text.startsWith(head)) return false;
  let at = head.length;
  for (const piece of others) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
};

/** Whether a matcher accepts a label's text. */
export const matchesText = ({ negated, patterns }: Matcher, text: string): boolean =>
  patterns.some((pattern) => matchesPattern(pattern, text)) !== negated;

/** Whether all matchers match. True if there are none. */
export const matchesAll = (matchers: readonly Matcher[], labels: LabelSet): boolean =>
  matchers.every((matcher) => matchesText(matcher, labels[matcher.label] ?? ''));

const readMatcher = (text: string): Matcher | undefined => {
  try {
    return parseMatcher(text);
  } catch {
    return undefined;
  }
};

/**
 * Values to which matchers fix a label, as `cluster="eu-1"` does. Matchers that cannot be parsed
 * are passed over.
 */
export const fixedTexts = (matchers: readonly string[], label: MatchedLabel): string[] =>
  matchers.flatMap((text) => {
    const matcher = readMatcher(text);
    if (matcher?.label !== label || matcher.negated || matcher.patterns.length !== 1) return [];
    const [[fixed = '', ...others] = []] = matcher.patterns;
    return others.length === 0 ? [fixed] : [];
  });
