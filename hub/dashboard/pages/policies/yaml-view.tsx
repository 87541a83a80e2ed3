import { Button, CodeBlock, CodeBlockAction } from '@patternfly/react-core';
import { useMemo, useState } from 'react';
import { CopyButton } from '../../components/buttons.tsx';
import { formatNumber } from '../../lib/format.ts';
import { CodePane } from './code-pane.tsx';
import { type Token, tintYaml } from './yaml-tint.ts';

/** A document of a megabyte would be tens of thousands of lines. */
const FEW_LINES = 1000;

const Line = ({ number, tokens }: { readonly number: number; readonly tokens: readonly Token[] }) => (
  <span className="fso-source-line">
    <span className="fso-line-number" aria-hidden="true">
      {number}
    </span>
    <span className="fso-line-text">
      {tokens.map(({ kind, text }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts of a line have no other identity.
        <span key={index} className={`fso-yaml-${kind}`}>
          {text}
        </span>
      ))}
      {'\n'}
    </span>
  </span>
);

interface YamlViewProps {
  readonly yaml: string;
  /** Its number in the file. */
  readonly firstLine: number;
}

/** A document with the line numbers of its file, tinted. What it says becomes text, never markup. */
export const YamlView = ({ yaml, firstLine }: YamlViewProps) => {
  const [isWhole, setWhole] = useState(false);
  const lines = useMemo(() => tintYaml(yaml.replace(/\n$/, '')), [yaml]);
  const shown = isWhole ? lines : lines.slice(0, FEW_LINES);
  return (
    <CodeBlock
      actions={
        <CodeBlockAction>
          <CopyButton variant="plain" size="sm" text={yaml} label="Copy" />
        </CodeBlockAction>
      }
    >
      <CodePane label="Document of the policy">
        {shown.map((tokens, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number.
          <Line key={index} number={firstLine + index} tokens={tokens} />
        ))}
      </CodePane>
      {shown.length < lines.length ? (
        <Button variant="link" onClick={() => setWhole(true)}>
          Show all {formatNumber(lines.length)} lines
        </Button>
      ) : null}
    </CodeBlock>
  );
};
