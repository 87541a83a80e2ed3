import { CodeBlockCode } from '@patternfly/react-core';
import { useMemo } from 'react';
import { compactDiff } from '../../lib/text-diff.ts';

const SIGNS = { added: '+', removed: '-', same: ' ', gap: ' ' } as const;
const SPOKEN = { added: 'Added: ', removed: 'Removed: ', same: '', gap: 'Lines left out' } as const;

/** Lines that differ between two texts, with context, as the content of a CodeBlock. */
export const DiffLines = ({ before, after }: { readonly before: string; readonly after: string }) => {
  const lines = useMemo(() => compactDiff(before, after), [before, after]);
  return (
    <CodeBlockCode>
      {lines.map(({ kind, text, key }) => (
        <span key={key} className={`fso-code-line fso-diff-${kind}`}>
          <span aria-hidden>{SIGNS[kind]} </span>
          <span className="pf-v6-screen-reader">{SPOKEN[kind]}</span>
          {text}
        </span>
      ))}
    </CodeBlockCode>
  );
};
