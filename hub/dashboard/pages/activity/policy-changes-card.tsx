import { type CommitActivity, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { Label, LabelGroup, Title } from '@patternfly/react-core';
import { Link } from '@tanstack/react-router';
import { formatChanges, formatNumber } from '../../lib/format.ts';

const SHOWN = 12;

interface NamesProps {
  readonly title: string;
  readonly names: readonly string[];
  readonly total: number;
  /** Removed ones have no page. */
  readonly isLinked: boolean;
}

const PolicyLabel = ({ name, isLinked }: { readonly name: string; readonly isLinked: boolean }) => (
  <Label
    variant="outline"
    isCompact
    {...(isLinked
      ? {
          render: ({ className, content }) => (
            <Link to="/policies/$namespace/$name" params={{ namespace: SYSTEM_NAMESPACE, name }} className={className}>
              {content}
            </Link>
          ),
        }
      : {})}
  >
    {name}
  </Label>
);

const Names = ({ title, names, total, isLinked }: NamesProps) =>
  names.length === 0 ? null : (
    <LabelGroup categoryName={title} numLabels={SHOWN} className="fso-changes">
      {[
        ...names.map((name) => <PolicyLabel key={name} name={name} isLinked={isLinked} />),
        ...(total > names.length ? [<span key="">and {formatNumber(total - names.length)} more</span>] : []),
      ]}
    </LabelGroup>
  );

/** Which policies read differently since this commit. */
export const PolicyChangesCard = ({ activity: { changes, policies } }: { readonly activity: CommitActivity }) => {
  const count = policies.added + policies.changed + policies.removed;
  if (count === 0) return <p className="fso-muted">No policy reads differently since this commit.</p>;
  return (
    <>
      <Title headingLevel="h2" size="md">
        Policies: {formatChanges(policies)}
      </Title>
      <Names title="Added" names={changes.added} total={policies.added} isLinked />
      <Names title="Changed" names={changes.changed} total={policies.changed} isLinked />
      <Names title="Removed" names={changes.removed} total={policies.removed} isLinked={false} />
    </>
  );
};
