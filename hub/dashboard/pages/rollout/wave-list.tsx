import type { RolloutView, RolloutWaveView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import { Label, LabelGroup } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import FastForwardIcon from '@patternfly/react-icons/dist/esm/icons/fast-forward-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon';
import PendingIcon from '@patternfly/react-icons/dist/esm/icons/pending-icon';
import { Link } from '@tanstack/react-router';
import { RevisionLink } from '../../components/links.tsx';
import { Hint, type Look, StateLabel } from '../../components/state-label.tsx';
import { Heading, RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { type WaveState, waveShares, waveState } from './wave-state.ts';

const LOOKS: Readonly<Record<WaveState, Look>> = {
  Finished: { text: 'Finished', icon: CheckCircleIcon, color: 'green', title: 'The wave has the commit' },
  Skipped: { text: 'Skipped', icon: FastForwardIcon, color: 'grey', title: 'The commit changes nothing in this wave' },
  Waiting: { text: 'Waiting', icon: PendingIcon, color: 'grey', title: 'For the waves before it, or for the end of a pause' },
  Moving: { text: 'Running', icon: InProgressIcon, color: 'blue', title: 'Its clusters are given the commit, and prove it' },
  Soaking: { text: 'Soaking', icon: HourglassHalfIcon, color: 'teal', title: 'All have proven the commit; its gates are watched' },
  Halted: { text: 'Halted', icon: ExclamationCircleIcon, color: 'red', title: 'A gate has failed' },
};

type ClusterState = RolloutWaveView['progress'][number]['state'];

/** Titles of the clusters by state, those that block the wave first. */
const CLUSTER_STATES: Readonly<Record<ClusterState, string>> = {
  Refused: 'Refused',
  Late: 'Late',
  Moving: 'On their way',
  Waiting: 'Waiting',
  Unreachable: 'Unreachable, not waited for',
  LeftOut: 'Not looked at',
  Proven: 'Proven',
};

const GATES: Readonly<Record<string, string>> = {
  NewViolations: 'new violations',
  NewlyRefused: 'owners newly refused at their next start',
  NewlyPending: 'owners whose next pods would newly stay Pending',
};

const SHOWN = 6;

const ClusterGroup = ({ state, clusters }: { readonly state: ClusterState; readonly clusters: readonly string[] }) =>
  clusters.length === 0 ? null : (
    <LabelGroup categoryName={CLUSTER_STATES[state]} numLabels={SHOWN}>
      {clusters.map((cluster) => (
        <Label
          key={cluster}
          variant="outline"
          isCompact
          render={({ className, content }) => (
            <Link to="/clusters/$name" params={{ name: cluster }} className={className}>
              {content}
            </Link>
          )}
        >
          {cluster}
        </Label>
      ))}
    </LabelGroup>
  );

const Gate = ({ gate: { gate, limit, found, unknown } }: { readonly gate: RolloutWaveView['gates'][number] }) => (
  <li>
    <Hint text={`Gate ${gate}: halts the wave above ${formatNumber(limit)}`}>
      <span className={found > limit ? 'fso-wave-failed' : ''}>
        {formatNumber(found)} of at most {formatNumber(limit)} {GATES[gate] ?? gate}
      </span>
    </Hint>
    {unknown === 0 ? null : <span className="fso-muted">, {count(unknown, 'cluster')} not known yet</span>}
  </li>
);

/** Progress of a wave, as a bar with its numbers. */
const Progress = ({ wave }: { readonly wave: RolloutWaveView }) => {
  const { changed, moved, proven, clusters } = wave;
  const shares = waveShares(wave);
  return (
    <div>
      <span className="fso-bar" aria-hidden>
        <span className="fso-bar-part fso-wave-proven" style={{ inlineSize: `${shares.proven}%` }} />
        <span className="fso-bar-part fso-wave-moving" style={{ inlineSize: `${shares.moving}%` }} />
      </span>
      {changed === 0 ? null : (
        <div>
          {formatNumber(proven)} of {formatNumber(changed)} proven, {formatNumber(moved)} given the commit
        </div>
      )}
      <div className="fso-muted">{count(clusters, 'cluster')}</div>
    </div>
  );
};

interface WaveProps {
  readonly wave: RolloutWaveView;
  readonly rollout: RolloutView;
}

/** Approval that the agents of a wave wait for. */
const Approval = ({ approval }: { readonly approval: NonNullable<RolloutWaveView['approval']> }) => {
  const { clusters, tag, missing, approvers, problems } = approval;
  return (
    <div>
      <div className="fso-wave-failed">
        {missing === 0 ? 'A signer has revoked the approval' : `${count(missing, 'approval')} by ${approvers.join(' or ')} missing`}
      </div>
      <div>
        {count(clusters, 'cluster')} waiting for the signed tag <code>{tag}</code>; <code>fso rollout approve</code> says how to make it
      </div>
      {problems.map((problem) => (
        <div key={problem} className="fso-muted">
          {problem}
        </div>
      ))}
    </div>
  );
};

/** States of waves that are working on the commit, or are kept from it. */
const AT_WORK: readonly WaveState[] = ['Moving', 'Soaking', 'Halted'];

const Wave = ({ wave, rollout }: WaveProps) => {
  const { name, revision, soaksUntil, approval, gates, progress, changed } = wave;
  const state = waveState(wave, rollout);
  const byState = Map.groupBy(progress, (each) => each.state);
  return (
    <li className={`fso-wave fso-wave-${state}`} {...(AT_WORK.includes(state) ? { 'aria-current': 'step' as const } : {})}>
      <div className="fso-wave-head">
        <Heading level={3}>{name}</Heading>
        <StateLabel look={LOOKS[state]} />
      </div>
      <Progress wave={wave} />
      {soaksUntil === null ? null : (
        <div>
          Soak ends <RelativeTime time={soaksUntil} />
        </div>
      )}
      {approval === null ? null : <Approval approval={approval} />}
      <div>
        Has <RevisionLink revision={revision} />
      </div>
      {gates.length === 0 ? null : (
        <ul aria-label={`Gates of ${name}`}>
          {gates.map((gate) => (
            <Gate key={gate.gate} gate={gate} />
          ))}
        </ul>
      )}
      {[...byState].map(([each, clusters]) => (
        <ClusterGroup key={each} state={each} clusters={clusters.map(({ cluster }) => cluster)} />
      ))}
      {changed > progress.length ? <div className="fso-muted">and {count(changed - progress.length, 'more cluster')}</div> : null}
    </li>
  );
};

/** Waves of a rollout side by side, in order. */
export const WaveList = ({ rollout }: { readonly rollout: RolloutView }) => (
  <section aria-labelledby="waves-title">
    <h2 id="waves-title" className="pf-v6-screen-reader">
      Waves
    </h2>
    <ol className="fso-waves">
      {rollout.waves.map((wave) => (
        <Wave key={wave.name} wave={wave} rollout={rollout} />
      ))}
    </ol>
  </section>
);
