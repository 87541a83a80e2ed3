import type { BranchList, BranchView, PlanRequest } from '@fso/shared/effects/portable';
import { count, shortRevision } from '@fso/shared/text';
import { Button, Flex } from '@patternfly/react-core';
import SyncIcon from '@patternfly/react-icons/dist/esm/icons/sync-icon';
import { useQuery } from '@tanstack/react-query';
import { branchesQuery } from '../../api/queries.ts';
import { CopyButton } from '../../components/buttons.tsx';
import { QueryView } from '../../components/empty-states.tsx';
import { type Column, VirtualTable } from '../../components/tables/virtual-table.tsx';
import { Heading, RelativeTime } from '../../components/text.tsx';
import { BranchPlan } from './branch-plan.tsx';
import { PlanProblem, PlanRunning } from './plan-state.tsx';
import { StoredResult } from './stored-plans.tsx';
import { usePlan } from './use-plan.ts';

const requestOf = (branch: string): PlanRequest => ({ branch });

const LastPlan = ({ revision, plan }: BranchView) =>
  plan === null ? (
    <span className="fso-muted">not planned</span>
  ) : (
    <div>
      <StoredResult result={plan.result} /> <RelativeTime time={plan.at} />
      {plan.branch?.revision === revision ? null : (
        <div className="fso-muted">of an older commit, {shortRevision(plan.branch?.revision ?? '')}</div>
      )}
    </div>
  );

interface BranchTableProps {
  readonly list: BranchList;
  readonly isBusy: boolean;
  readonly onPlan: (branch: string) => void;
}

const BranchTable = ({ list: { items, total }, isBusy, onPlan }: BranchTableProps) => {
  if (total === 0) return <p className="fso-muted">The policy repository has no other branch than the one that the hub follows.</p>;
  const columns: readonly Column<BranchView>[] = [
    { title: 'Branch', width: 30, cell: ({ name }) => <code className="fso-message">{name}</code> },
    {
      title: 'Commit',
      width: 15,
      cell: ({ revision }) => (
        <span className="fso-revision">
          <code>{shortRevision(revision)}</code>
          <CopyButton text={revision} label={`Copy commit id ${shortRevision(revision)}`} isIcon />
        </span>
      ),
    },
    { title: 'Last plan', cell: (branch) => <LastPlan {...branch} /> },
    {
      title: 'Make a plan',
      width: 15,
      cell: ({ name }) => (
        <Button variant="secondary" size="sm" isDisabled={isBusy} aria-label={`Plan branch ${name}`} onClick={() => onPlan(name)}>
          Plan
        </Button>
      ),
    },
  ];
  return (
    <>
      <VirtualTable label="Open branches" rows={items} columns={columns} rowKey={({ name }) => name} />
      {total > items.length ? (
        <p className="fso-muted">{count(total - items.length, 'more branch is', 'more branches are')} not listed.</p>
      ) : null}
    </>
  );
};

/**
 * Branches of the policy repository with their last plans, and the plan that the user requested.
 */
export const OpenBranches = () => {
  const query = useQuery(branchesQuery);
  const { made, error, isPending, mutate, cancel } = usePlan(requestOf);
  return (
    <section className="fso-stack">
      <Flex>
        <Heading level={2}>Open branches</Heading>
        <Button variant="link" isInline icon={<SyncIcon />} isLoading={query.isFetching} onClick={() => void query.refetch()}>
          Read again
        </Button>
      </Flex>
      <p className="fso-muted">
        The hub reads a branch when you plan it, from its newest commit. A branch is not signed: nothing of it is enforced, and of its texts
        nothing is kept.
      </p>
      <QueryView query={query} what="the branches" lines={3}>
        {(list) => <BranchTable list={list} isBusy={isPending} onPlan={mutate} />}
      </QueryView>
      {error === null ? null : <PlanProblem error={error} />}
      {isPending ? <PlanRunning onCancel={cancel} /> : null}
      {made === undefined || isPending ? null : <BranchPlan plan={made.plan} />}
    </section>
  );
};
