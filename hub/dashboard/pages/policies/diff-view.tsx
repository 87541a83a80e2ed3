import type { PolicyRevision } from '@fso/shared/api';
import { Content } from '@patternfly/react-core';
import { useMemo } from 'react';
import { type DiffLine, diffRevision, type Hunk, type RevisionDiff } from '../../lib/text-diff.ts';
import { CodePane } from './code-pane.tsx';

const SIGNS = { same: ' ', added: '+', removed: '-' } as const;
const ELEMENTS = { same: 'span', added: 'ins', removed: 'del' } as const;

/** Said by its sign, its element (which screen readers name) and its colour. */
const Line = ({ kind, text, before, after }: DiffLine) => {
  const Element = ELEMENTS[kind];
  return (
    <Element className={`fso-source-line fso-diff-${kind}`}>
      <span className="fso-line-number" aria-hidden="true">
        {before}
      </span>
      <span className="fso-line-number" aria-hidden="true">
        {after}
      </span>
      <span className="fso-line-text">
        {SIGNS[kind]} {text}
        {'\n'}
      </span>
    </Element>
  );
};

const HunkView = ({ hunk, isFirst }: { readonly hunk: Hunk; readonly isFirst: boolean }) => (
  <>
    {isFirst ? null : <span className="fso-diff-gap">…{'\n'}</span>}
    {hunk.lines.map((line) => (
      <Line key={`${line.before ?? ''}-${line.after ?? ''}`} {...line} />
    ))}
  </>
);

const summaryOf = ({ hunks, added, removed, movedFrom, isFirstKnown }: RevisionDiff): string => {
  const lines = (count: number): string => `${count} ${count === 1 ? 'line' : 'lines'}`;
  const moved = movedFrom === undefined ? '' : `Moved here from ${movedFrom}. `;
  if (isFirstKnown) return `${moved}How it read before is not known: all of it is shown.`;
  if (hunks === undefined) return `${moved}The two versions are too different to be compared here.`;
  return hunks.length === 0 ? `${moved}The text is the same.` : `${moved}${lines(added)} added, ${lines(removed)} removed.`;
};

interface DiffViewProps {
  readonly revision: PolicyRevision;
  /** The one before it, if it is known. */
  readonly before: PolicyRevision | undefined;
}

/** What a revision changed in the document. */
export const DiffView = ({ revision, before }: DiffViewProps) => {
  const diff = useMemo(() => diffRevision(revision, before), [revision, before]);
  const { hunks = [] } = diff;
  return (
    <div className="fso-diff">
      <Content component="p">
        <code>{revision.path}</code> {summaryOf(diff)}
      </Content>
      {hunks.length === 0 ? null : (
        <CodePane label={`What ${revision.commit.revision.slice(0, 8)} changed`}>
          {hunks.map((hunk, index) => (
            <HunkView key={`${hunk.lines[0]?.before ?? ''}-${hunk.lines[0]?.after ?? ''}`} hunk={hunk} isFirst={index === 0} />
          ))}
        </CodePane>
      )}
    </div>
  );
};
