import { type PolicyHistory, type PolicyRevision, type PolicyView, policyKey } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import { Button, Content, Label } from '@patternfly/react-core';
import MinusIcon from '@patternfly/react-icons/dist/esm/icons/minus-icon';
import PencilAltIcon from '@patternfly/react-icons/dist/esm/icons/pencil-alt-icon';
import PlusIcon from '@patternfly/react-icons/dist/esm/icons/plus-icon';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { policyHistoryQuery } from '../../../api/queries.ts';
import { Empty, QueryView } from '../../../components/empty-states.tsx';
import { RevisionLink } from '../../../components/links.tsx';
import { Heading, RelativeTime } from '../../../components/text.tsx';
import { type DiffLine, diffRevision, type Hunk, type RevisionDiff } from '../../../lib/text-diff.ts';
import { NotInGit } from '../policy-origin.tsx';
import { usePolicySearch } from '../use-policy-search.ts';
import { CodePane } from './source-tab.tsx';

const SIGNS = { same: ' ', added: '+', removed: '-' } as const;
const ELEMENTS = { same: 'span', added: 'ins', removed: 'del' } as const;

/** Line of a diff, marked by sign, element (which screen readers announce) and colour. */
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
  if (isFirstKnown) return `${moved}The text before is unknown, so all of it is shown.`;
  if (hunks === undefined) return `${moved}The two versions are too different to compare here.`;
  return hunks.length === 0 ? `${moved}The text is the same.` : `${moved}${lines(added)} added, ${lines(removed)} removed.`;
};

interface DiffViewProps {
  readonly revision: PolicyRevision;
  /** Previous revision, if known. */
  readonly before: PolicyRevision | undefined;
}

/** Changes that a revision made to the document. */
const DiffView = ({ revision, before }: DiffViewProps) => {
  const diff = useMemo(() => diffRevision(revision, before), [revision, before]);
  const { hunks = [] } = diff;
  return (
    <div className="fso-diff">
      <Content component="p">
        <code>{revision.path}</code> {summaryOf(diff)}
      </Content>
      {hunks.length === 0 ? null : (
        <CodePane label={`What ${shortRevision(revision.commit.revision)} changed`}>
          {hunks.map((hunk, index) => (
            <HunkView key={`${hunk.lines[0]?.before ?? ''}-${hunk.lines[0]?.after ?? ''}`} hunk={hunk} isFirst={index === 0} />
          ))}
        </CodePane>
      )}
    </div>
  );
};

const CHANGES: Readonly<Record<PolicyRevision['change'], { icon: typeof PlusIcon; text: string }>> = {
  added: { icon: PlusIcon, text: 'Added' },
  changed: { icon: PencilAltIcon, text: 'Changed' },
  removed: { icon: MinusIcon, text: 'Removed' },
};

interface EntryProps {
  readonly revision: PolicyRevision;
  readonly before: PolicyRevision | undefined;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

const Entry = ({ revision, before, isOpen, onToggle }: EntryProps) => {
  const { commit, change } = revision;
  const { icon: Icon, text } = CHANGES[change];
  return (
    <li className="fso-revision-entry">
      <div className="fso-revision-head">
        <Label isCompact variant="outline" icon={<Icon />}>
          {text}
        </Label>
        <Heading>{commit.subject || 'No subject'}</Heading>
      </div>
      <div className="fso-revision-by">
        <RevisionLink revision={commit.revision} /> <span>{commit.author}</span> <RelativeTime time={commit.time} />
        <Button variant="link" isInline aria-expanded={isOpen} onClick={onToggle}>
          {isOpen ? 'Hide what changed' : 'Show what changed'}
        </Button>
      </div>
      {isOpen ? <DiffView revision={revision} before={before} /> : null}
    </li>
  );
};

/** Value of the URL if the user has closed the newest revision, which is open at first. */
const CLOSED = 'none';

const Revisions = ({ history: { items, complete } }: { readonly history: PolicyHistory }) => {
  const { search, change } = usePolicySearch();
  const open = search.revision ?? items[0]?.commit.revision;
  if (items.length === 0) return <Empty title="No revisions">No commit in Git changed it.</Empty>;
  return (
    <>
      <ol className="fso-history" aria-label="Revisions, newest first">
        {items.map((revision, index) => {
          const { revision: id } = revision.commit;
          return (
            <Entry
              key={id}
              revision={revision}
              before={items[index + 1]}
              isOpen={id === open}
              onToggle={() => change({ revision: id === open ? CLOSED : id })}
            />
          );
        })}
      </ol>
      {complete ? null : (
        <Content component="p" className="fso-muted">
          These are the newest {items.length} changes; Git may have older ones.
        </Content>
      )}
    </>
  );
};

const FromGit = ({ policy }: { readonly policy: string }) => {
  const history = useQuery(policyHistoryQuery(policy));
  return (
    <QueryView query={history} what="the history of the policy" lines={8}>
      {(data) => <Revisions history={data} />}
    </QueryView>
  );
};

/** Commits that changed the document. */
export const HistoryTab = ({ policy }: { readonly policy: PolicyView }) =>
  policy.source === null ? <NotInGit policy={policy} what="history" /> : <FromGit policy={policyKey(policy)} />;
