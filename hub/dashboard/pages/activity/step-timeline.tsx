import type { CommitActivity } from '@fso/shared/api';
import { Icon, type IconComponentProps, Title } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon';
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon';
import PendingIcon from '@patternfly/react-icons/dist/esm/icons/pending-icon';
import type { ComponentType } from 'react';
import { Hint } from '../../components/state-label.tsx';
import { formatNumber } from '../../lib/format.ts';
import { formatDuration } from '../../lib/time.ts';
import { type Step, type StepState, stepsOf } from './steps.ts';

interface Look {
  readonly word: string;
  readonly icon: ComponentType;
  readonly status?: NonNullable<IconComponentProps['status']>;
}

const LOOKS: Readonly<Record<StepState, Look>> = {
  done: { word: 'Done', icon: CheckCircleIcon, status: 'success' },
  current: { word: 'In progress', icon: InProgressIcon, status: 'info' },
  failed: { word: 'Refused', icon: ExclamationCircleIcon, status: 'danger' },
  waiting: { word: 'Not reached', icon: PendingIcon },
  unwatched: { word: 'Not watched', icon: MinusCircleIcon },
};

const wordOf = ({ state, clusters }: Step): string =>
  state === 'waiting' && clusters !== null && clusters.done > 0 ? 'Incomplete' : LOOKS[state].word;

/**
 * Time of the step, and the time since the step before. For steps in clusters, the time of the last
 * cluster beside that of the first.
 */
const Times = ({ step: { atMs, sinceMs, clusters } }: { readonly step: Step }) =>
  atMs === null ? null : (
    <>
      <div className="fso-way-time">+{formatDuration(atMs)}</div>
      {clusters?.firstMs === null || clusters === null ? null : <div className="fso-muted">first +{formatDuration(clusters.firstMs)}</div>}
      {sinceMs === null ? null : <div className="fso-muted">{sinceMs === 0 ? 'in parallel' : `${formatDuration(sinceMs)} later`}</div>}
    </>
  );

const StepItem = ({ step }: { readonly step: Step }) => {
  const { mark, name, what, state, clusters } = step;
  const { icon: StateIcon, status } = LOOKS[state];
  return (
    <li className={`fso-way-step fso-way-${state}`} {...(state === 'current' ? { 'aria-current': 'step' as const } : {})}>
      <div className="fso-way-head">
        <Icon size="lg" {...(status === undefined ? {} : { status })}>
          <StateIcon />
        </Icon>
      </div>
      <div>
        <div className="fso-way-name">
          <Hint text={what}>
            <span aria-hidden>{mark}</span> {name}
          </Hint>
        </div>
        <div>{wordOf(step)}</div>
        {clusters === null || clusters.total === 0 ? null : (
          <div className="fso-nowrap">
            {formatNumber(clusters.done)} of {formatNumber(clusters.total)}
          </div>
        )}
        <Times step={step} />
        <div className="fso-way-what fso-muted">{what}</div>
      </div>
    </li>
  );
};

/** Timeline of the nine steps of a commit, with times relative to when the hub noticed it. */
export const StepTimeline = ({ activity }: { readonly activity: CommitActivity }) => (
  <section className="fso-way" aria-labelledby="way-title">
    <Title headingLevel="h2" size="md" id="way-title">
      Progress through the nine steps
    </Title>
    <ol className="fso-way-steps">
      {stepsOf(activity).map((step) => (
        <StepItem key={step.mark} step={step} />
      ))}
    </ol>
    <p className="fso-muted">
      Times are measured by the hub from the moment it noticed the commit
      {activity.hub.noticed === null ? ', which was in force before this record began' : ''}.
    </p>
  </section>
);
