import type { CommitView, SourceView } from '@fso/shared/api';
import { Alert } from '@patternfly/react-core';
import { RevisionLink } from '../../components/links.tsx';
import { Facts, RelativeTime, SectionCard } from '../../components/text.tsx';
import { formatProblem } from '../../lib/format.ts';

const MAX_PROBLEMS = 5;

const Commit = ({ commit }: { readonly commit: CommitView }) => (
  <>
    <RevisionLink revision={commit.revision} /> {commit.subject}
    <span className="fso-count-note">
      {commit.author}, <RelativeTime time={commit.time} />
    </span>
  </>
);

const VERIFICATIONS: Readonly<Record<NonNullable<SourceView['verification']>['state'], string>> = {
  verified: 'Verified',
  unverified: 'Not verified: the hub has no allowed signers',
  failed: 'Bad, but accepted (FSO_VERIFY=warn)',
};

const signatureText = ({ state, signer, reason }: NonNullable<SourceView['verification']>): string =>
  [VERIFICATIONS[state], signer ?? reason].filter((part) => part !== undefined).join(': ');

const Rejected = ({ rejected }: { readonly rejected: NonNullable<SourceView['rejected']> }) => {
  const { commit, problems } = rejected;
  return (
    <Alert isInline variant="danger" component="p" title="A newer commit was rejected; the current one stays in force">
      <p>
        <Commit commit={commit} />
      </p>
      <ul className="fso-overview-problems">
        {problems.slice(0, MAX_PROBLEMS).map((problem) => (
          <li key={formatProblem(problem)}>
            <code>{formatProblem(problem)}</code>
          </li>
        ))}
      </ul>
      {problems.length > MAX_PROBLEMS ? <p>{problems.length - MAX_PROBLEMS} more on the page of the commit.</p> : null}
    </Alert>
  );
};

/** Policy repository, and whether its commits arrive. */
export const SourceCard = ({ source }: { readonly source: SourceView }) => (
  <SectionCard title="Source">
    {source.error === null ? null : (
      <Alert isInline variant="danger" component="p" title="The hub cannot read the repository" className="fso-source-alert">
        <p>{source.error.message}</p>
        <p>
          Since <RelativeTime time={source.error.since} />. The commit in force stays enforced.
        </p>
      </Alert>
    )}
    {source.rejected === null ? null : <Rejected rejected={source.rejected} />}
    <Facts
      className="fso-source-facts"
      facts={{
        Repository: <span className="fso-break">{source.url === '' ? 'not read yet' : source.url}</span>,
        'Branch or tag': <code>{source.ref}</code>,
        'Commit in force': source.revision === null ? 'none yet' : <Commit commit={source.revision} />,
        Signature: source.verification && signatureText(source.verification),
        'Last fetch': <RelativeTime time={source.lastFetch} />,
      }}
    />
  </SectionCard>
);
