import './rollout.css';
import type { EventView, RolloutView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import { Alert, CodeBlock, CodeBlockCode, EmptyState, EmptyStateBody, Stack, StackItem } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import FastForwardIcon from '@patternfly/react-icons/dist/esm/icons/fast-forward-icon';
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon';
import PauseCircleIcon from '@patternfly/react-icons/dist/esm/icons/pause-circle-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { commitsQuery, eventsQuery, rolloutQuery } from '../../api/queries.ts';
import { Copyable } from '../../components/buttons.tsx';
import { QueryView } from '../../components/empty-states.tsx';
import { ClusterLink, RevisionLink } from '../../components/links.tsx';
import { Page } from '../../components/page-header.tsx';
import { type Look, StateLabel } from '../../components/state-label.tsx';
import { PlainTable } from '../../components/tables/plain-table.tsx';
import { Facts, Heading, RelativeTime, Sentence } from '../../components/text.tsx';
import { rowsOf } from '../../lib/paged-list.ts';
import { RolloutActions } from './rollout-actions.tsx';
import { WaveList } from './wave-list.tsx';
import { commandsIn } from './wave-state.ts';

const LOOKS: Readonly<Record<RolloutView['state'], Look>> = {
  Immediate: { text: 'All at once', icon: FastForwardIcon, color: 'grey' },
  Finished: { text: 'Finished', icon: CheckCircleIcon, color: 'green', title: 'Every wave has the newest commit' },
  Progressing: { text: 'Progressing', icon: InProgressIcon, color: 'blue', title: 'Some wave has yet to finish the newest commit' },
  Halted: { text: 'Halted', icon: ExclamationCircleIcon, color: 'red', title: 'A gate has failed; later waves keep what they have' },
  Paused: { text: 'Paused', icon: PauseCircleIcon, color: 'orange', title: 'No further cluster gets the commit' },
  NotRead: { text: 'Unknown', icon: QuestionCircleIcon, color: 'grey' },
  Unreadable: { text: 'Unknown', icon: QuestionCircleIcon, color: 'orange' },
};

/** Alternative commands, of which the user chooses one. */
const Commands = ({ commands }: { readonly commands: readonly string[] }) =>
  commands.map((command) => (
    <Copyable key={command} label={`Command: ${command}`}>
      {command}
    </Copyable>
  ));

const HaltedAlert = ({
  halted: { wave, problem, clusters, since, next, gate, approval },
}: {
  readonly halted: NonNullable<RolloutView['halted']>;
}) => (
  <Alert isInline variant="danger" component="h2" title={`Halted in wave ${wave}: ${problem}`}>
    <div className="fso-stack">
      <p>
        Gate {gate}, since <RelativeTime time={since} />. Clusters:{' '}
        {clusters.map((cluster, index) => (
          <span key={cluster}>
            {index > 0 ? ', ' : null}
            <ClusterLink cluster={cluster} />
          </span>
        ))}
        . Later waves keep the commit that they have.
      </p>
      <p>
        <Sentence text={next} />
      </p>
      {approval?.problems.map((each) => (
        <p key={each}>{each}</p>
      ))}
      <Commands commands={commandsIn(next)} />
    </div>
  </Alert>
);

const PausedAlert = ({ paused: { by, since } }: { readonly paused: NonNullable<RolloutView['paused']> }) => (
  <Alert isInline variant="warning" component="h2" title={`Paused by ${by}`}>
    <div className="fso-stack">
      <p>
        Since <RelativeTime time={since} />: no further cluster gets the commit. A revert still reaches every cluster at once.
      </p>
      <Commands commands={['fso rollout resume']} />
    </div>
  </Alert>
);

/** Signers who let the commit skip its waves, or what it still lacks for that. */
const ImmediateAlert = ({ immediate }: { readonly immediate: NonNullable<RolloutView['immediate']> }) => {
  const { tag, signer, taggedBy, since, missing, approvers, problems } = immediate;
  if (since !== null)
    return (
      <Alert isInline variant="warning" component="h2" title="Every cluster was given the commit at once">
        <RelativeTime time={since} />, without waves: signed by {signer}, tagged by {taggedBy.join(' and ')}.
      </Alert>
    );
  const isHeld = missing === 0 && problems.length === 0;
  return (
    <Alert isInline variant="info" component="h2" title="The commit asks to skip its waves">
      <div className="fso-stack">
        <p>
          {isHeld && `It goes to every cluster once the rollout is resumed: signed by ${signer}, tagged by ${taggedBy.join(' and ')}.`}
          {missing === 0 && !isHeld && 'It goes by waves.'}
          {missing > 0 &&
            `It goes by waves until there ${missing === 1 ? 'is' : 'are'} ${count(missing, 'signed tag')} ${tag}, by ${approvers.join(' or ') || 'nobody'}.`}
        </p>
        {problems.map((problem) => (
          <p key={problem}>{problem}</p>
        ))}
        <Commands commands={['fso rollout approve --immediate']} />
      </div>
    </Alert>
  );
};

/** Subject of a commit, from the list: a new commit may not be available by its id yet. */
const Subject = ({ revision }: { readonly revision: string }) => {
  const found = rowsOf(useInfiniteQuery(commitsQuery).data).find(({ commit }) => commit.revision === revision);
  return found === undefined ? null : <> {found.commit.subject}</>;
};

const RolloutFacts = ({ rollout: { revision, base, since } }: { readonly rollout: RolloutView }) => (
  <Facts
    aria-label="The rollout in short"
    facts={{
      Commit: (
        <>
          <RevisionLink revision={revision} />
          {revision === null ? null : <Subject revision={revision} />}
        </>
      ),
      Began: <RelativeTime time={since} />,
      'Every wave has': base === revision ? undefined : <RevisionLink revision={base} />,
    }}
  />
);

const EVENTS = 10;

/** Events of rollouts, including earlier, halted and finished ones. */
const Past = () => {
  const query = useInfiniteQuery(eventsQuery({ q: 'Rollout', limit: EVENTS }));
  const events = rowsOf(query.data).filter(({ reason }) => reason.startsWith('Rollout'));
  if (events.length === 0) return null;
  return (
    <>
      <Heading level={2}>Lately</Heading>
      <PlainTable
        label="Events of rollouts"
        rows={events}
        rowKey={({ id }: EventView) => String(id)}
        columns={[
          { title: 'Time', width: 15, cell: ({ time }) => <RelativeTime time={time} /> },
          { title: 'What happened', cell: ({ reason, message }) => `${reason}: ${message}` },
          { title: 'Commit', width: 20, cell: ({ revision }) => <RevisionLink revision={revision} /> },
        ]}
      />
    </>
  );
};

const EXAMPLE = `# rollout.yaml
apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata:
  name: careful
spec:
  waves:
    - name: canary
      clusterSelector:
        matchLabels: { stage: canary }
      soak: 1h
      maxNewViolations: 0
      maxNewlyRefused: 0`;

const NoStrategy = () => (
  <EmptyState titleText="Every cluster gets a commit at once" headingLevel="h2" variant="sm" icon={FastForwardIcon}>
    <EmptyStateBody>
      <p>No RolloutStrategy is in force. One lets a commit reach a few clusters first, and the rest once nothing broke there:</p>
      <CodeBlock className="fso-rollout-example">
        <CodeBlockCode>{EXAMPLE}</CodeBlockCode>
      </CodeBlock>
      <p>
        Commit it to the policy repository; it counts from the commit after it. <code>docs/operate/rollout.md</code> describes waves, gates
        and what to do when one fails.
      </p>
    </EmptyStateBody>
  </EmptyState>
);

/** Explanations of rollouts of which nothing else is known. */
const UNKNOWN: Readonly<Partial<Record<RolloutView['state'], () => ReactNode>>> = {
  Immediate: () => <NoStrategy />,
  NotRead: () => (
    <Alert isInline variant="info" component="h2" title="The hub has not read the repository yet">
      The rollout goes on once it has.
    </Alert>
  ),
  Unreadable: () => (
    <Alert isInline variant="danger" component="h2" title="Another version of the hub has stored the rollout">
      Every cluster keeps what it has. Upgrade the hub.
    </Alert>
  ),
};

const Body = ({ rollout }: { readonly rollout: RolloutView }) => {
  const unknown = UNKNOWN[rollout.state];
  if (unknown !== undefined) return unknown();
  return (
    <Stack hasGutter>
      {rollout.paused === null ? null : (
        <StackItem>
          <PausedAlert paused={rollout.paused} />
        </StackItem>
      )}
      {rollout.halted === null ? null : (
        <StackItem>
          <HaltedAlert halted={rollout.halted} />
        </StackItem>
      )}
      {rollout.immediate === null ? null : (
        <StackItem>
          <ImmediateAlert immediate={rollout.immediate} />
        </StackItem>
      )}
      <StackItem>
        <RolloutFacts rollout={rollout} />
      </StackItem>
      <StackItem>
        <WaveList rollout={rollout} />
      </StackItem>
      <StackItem>
        <Past />
      </StackItem>
    </Stack>
  );
};

const Labels = ({ rollout }: { readonly rollout: RolloutView }) => (
  <>
    <StateLabel look={LOOKS[rollout.state]} />
    {rollout.waves.length === 0 ? null : <RolloutActions rollout={rollout} />}
  </>
);

/** Rollout of the newest commit in waves. */
export const RolloutPage = () => {
  const query = useQuery(rolloutQuery);
  return (
    <Page
      title="Rollout"
      description="The newest commit on its way through the fleet, wave by wave."
      labels={query.data === undefined ? null : <Labels rollout={query.data} />}
    >
      <QueryView query={query} what="the rollout" lines={8}>
        {(rollout) => <Body rollout={rollout} />}
      </QueryView>
    </Page>
  );
};
