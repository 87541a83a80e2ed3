/** Splits lines of YAML into tokens for colouring, with patterns instead of a parser. */

type TokenKind = 'key' | 'string' | 'comment' | 'mark' | 'plain';

/** Piece of a YAML text with one colour. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

/** Indentation, dashes of a list, a key and its colon. */
const KEY = /^(\s*(?:- +)*)((?:"[^"]*"|'[^']*'|[^\s#"'[\]{},&*!|>%@`-][^:#]*?|-[^\s:#][^:#]*?))(\s*:)(?=\s|$)/;
const DASHES = /^(\s*(?:- +)*(?:-$)?)/;
/** Quoted strings, marks of flow style, comments after a space, and plain text in between. */
const VALUE = /"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|\s#.*$|^#.*$|[[\]{},]|[^\s"'[\]{},#]+|\s+|./g;
/** A key whose value is the text below it: `|`, `>-`. */
const BLOCK = /:\s+[|>][-+0-9]{0,2}\s*(?:#.*)?$/;
const DOCUMENT_MARK = /^(?:---|\.\.\.)(?:\s|$)/;

const kindOf = (text: string): TokenKind => {
  if (/^(?:\s#|#.)/.test(text)) return 'comment';
  if (/^["']/.test(text)) return 'string';
  return /^[[\]{},]$/.test(text) ? 'mark' : 'plain';
};

/** Merges adjacent tokens of one kind, and drops empty ones. */
const joined = (tokens: readonly Token[]): Token[] => {
  const all: Token[] = [];
  for (const { kind, text } of tokens) {
    const last = all.at(-1);
    if (text === '') continue;
    if (last?.kind === kind) all[all.length - 1] = { kind, text: last.text + text };
    else all.push({ kind, text });
  }
  return all;
};

const tokensOf = (line: string): Token[] => {
  if (/^\s*#/.test(line)) return [{ kind: 'comment', text: line }];
  if (DOCUMENT_MARK.test(line)) return [{ kind: 'mark', text: line }];
  const key = KEY.exec(line);
  const lead = key?.[1] ?? DASHES.exec(line)?.[1] ?? '';
  const rest = line.slice(key === null ? lead.length : key[0].length);
  return joined([
    { kind: 'mark', text: lead },
    { kind: 'key', text: key?.[2] ?? '' },
    { kind: 'mark', text: key?.[3] ?? '' },
    ...(rest.match(VALUE) ?? []).map((text): Token => ({ kind: kindOf(text), text })),
  ]);
};

const indentOf = (line: string): number => /^\s*/.exec(line)?.[0].length ?? 0;

/** @returns the tokens of each line, which together contain its whole text */
export const tokenizeYaml = (yaml: string): Token[][] => {
  let block: number | undefined;
  return yaml.split('\n').map((line) => {
    if (block !== undefined && (line.trim() === '' || indentOf(line) > block)) return joined([{ kind: 'string', text: line }]);
    block = BLOCK.test(line) ? indentOf(line) : undefined;
    return tokensOf(line);
  });
};
