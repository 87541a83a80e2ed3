import { CodeBlock, CodeBlockCode } from '@patternfly/react-core';
import type { LineRange } from './pasted-text.ts';

const AROUND = 2;
/** What fails may be long: its beginning tells where it is. */
const MOST = 12;

interface ExcerptProps {
  /** Of the whole text. */
  readonly lines: readonly string[];
  readonly range: LineRange;
}

/** Lines of the pasted text with their numbers; those meant have a mark before them. */
export const Excerpt = ({ lines, range }: ExcerptProps) => {
  const last = Math.min(range.to, range.from + MOST - 1);
  const first = Math.max(1, range.from - AROUND);
  const shown = lines.slice(first - 1, last + AROUND).map((text, index) => ({ text, number: first + index }));
  return (
    <CodeBlock>
      <CodeBlockCode>
        {shown.map(({ text, number }) => {
          const isMeant = number >= range.from && number <= range.to;
          return (
            <span key={number} className={isMeant ? 'fso-code-line fso-code-meant' : 'fso-code-line'}>
              {`${isMeant ? '▸' : ' '} ${String(number).padStart(4)}  ${text.slice(0, 300)}`}
            </span>
          );
        })}
      </CodeBlockCode>
    </CodeBlock>
  );
};
