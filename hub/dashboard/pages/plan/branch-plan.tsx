import type { Plan } from '@fso/shared/effects/portable';
import { count, listText, shortRevision } from '@fso/shared/text';
import { Alert } from '@patternfly/react-core';
import { Heading, RelativeTime } from '../../components/text.tsx';
import { PlanResult } from './plan-result.tsx';

type OfBranch = NonNullable<Plan['branch']>;
type Since = NonNullable<OfBranch['since']>;

const Changes = ({ title, changes }: { readonly title: string; readonly changes: Since['begins'] }) =>
  changes.length === 0 ? null : (
    <>
      <p>{title}:</p>
      <ul>
        {changes.map(({ clusters, message, owners = [] }) => (
          <li key={`${clusters.join(' ')} ${message}`}>
            {listText(clusters)}: {message}
            {owners.length === 0 ? null : `: ${listText(owners)}`}
          </li>
        ))}
      </ul>
    </>
  );

const SinceLast = ({ since }: Pick<OfBranch, 'since'>) => {
  if (since === null) return <p>The hub has no earlier plan of this branch to compare with.</p>;
  const { at, revision, begins, ends, unknown } = since;
  return (
    <>
      <p>
        Compared with the plan of commit <code>{shortRevision(revision)}</code>, <RelativeTime time={at} />.{' '}
        {begins.length + ends.length === 0 ? 'No effect is new or gone.' : null}
      </p>
      <Changes title="New, or further than before" changes={begins} />
      <Changes title="Gone, or less far than before" changes={ends} />
      {unknown.length === 0 ? null : (
        <p className="fso-muted">Not compared whole, as one of the plans does not know all of them: {listText(unknown)}.</p>
      )}
    </>
  );
};

const Distance = ({ ahead, behind }: OfBranch) => {
  if (ahead === null || behind === null) return <p className="fso-muted">How far it is from the commit in force is not known.</p>;
  const text = `${count(ahead, 'commit')} ahead of the commit in force, ${behind} behind it`;
  return behind === 0 ? (
    <p className="fso-muted">It is {text}.</p>
  ) : (
    <Alert isInline variant="warning" component="p" title={`The branch is ${text}`}>
      What it is behind reads as if it took that back: merge or rebase first.
    </Alert>
  );
};

/** Plan of a branch, with the changes since the plan before. */
export const BranchPlan = ({ plan }: { readonly plan: Plan }) => (
  <>
    <Heading level={2}>
      Plan of <code className="fso-message">{plan.after.source}</code>
    </Heading>
    <p role="status" className="pf-v6-screen-reader">
      The plan is made.
    </p>
    <p>
      Of commit <code>{shortRevision(plan.after.revision)}</code>.
    </p>
    {plan.branch === null ? null : (
      <>
        <Distance {...plan.branch} />
        <Heading level={3}>Since its last plan</Heading>
        <SinceLast since={plan.branch.since} />
      </>
    )}
    <PlanResult plan={plan} />
  </>
);
