import { Alert, AlertActionLink, Label, type LabelProps } from '@patternfly/react-core';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import PauseCircleIcon from '@patternfly/react-icons/dist/esm/icons/pause-circle-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { useQuery } from '@tanstack/react-query';
import { type ComponentType, useRef, useSyncExternalStore } from 'react';
import { statusQuery } from '../../api/queries.ts';
import { RelativeTime } from '../../components/text.tsx';
import type { LiveState } from './connection.ts';

let state: LiveState = { kind: 'connecting' };
const listeners = new Set<() => void>();

export const setLiveState = (next: LiveState): void => {
  state = next;
  for (const listener of [...listeners]) listener();
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useLiveState = (): LiveState => useSyncExternalStore(subscribe, () => state);

const subscribeOnline = (listener: () => void): (() => void) => {
  window.addEventListener('online', listener);
  window.addEventListener('offline', listener);
  return () => {
    window.removeEventListener('online', listener);
    window.removeEventListener('offline', listener);
  };
};

/** Whether the browser reports a network. A hub on the same machine is reachable without one. */
const useOnline = (): boolean => useSyncExternalStore(subscribeOnline, () => navigator.onLine);

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** Banner over the page while its data may be stale: why, and since when. */
export const LiveBanner = () => {
  const state = useLiveState();
  const online = useOnline();
  if (state.kind === 'unreachable')
    return (
      <Alert isInline variant="danger" component="p" title={online ? 'The hub does not answer' : 'This browser is offline'}>
        Since <RelativeTime time={timeOf(state.since)} />. This page shows the state from before and reloads as soon as the hub answers.
        Clusters keep enforcing their policies without the hub.
      </Alert>
    );
  if (state.kind === 'refused')
    return (
      <Alert isInline variant="warning" component="p" title="This page is not live">
        Since <RelativeTime time={timeOf(state.since)} />: {state.why}
      </Alert>
    );
  return <NewVersion />;
};

/**
 * Notice that the hub was updated while this page was open, and that the page runs the old scripts.
 */
const NewVersion = () => {
  const { data: version } = useQuery({ ...statusQuery, select: (status) => status.version, enabled: false });
  const first = useRef(version);
  first.current ??= version;
  if (version === undefined || version === first.current) return null;
  return (
    <Alert
      isInline
      variant="info"
      component="p"
      title={`The hub is now version ${version}.`}
      actionLinks={<AlertActionLink onClick={() => window.location.reload()}>Reload the page</AlertActionLink>}
    />
  );
};

interface Look {
  readonly text: string;
  readonly icon: ComponentType;
  readonly color: NonNullable<LabelProps['color']>;
}

const LOOKS: Readonly<Record<LiveState['kind'], Look>> = {
  connecting: { text: 'Connecting', icon: SyncAltIcon, color: 'blue' },
  live: { text: 'Live', icon: ConnectedIcon, color: 'green' },
  reconnecting: { text: 'Reconnecting', icon: SyncAltIcon, color: 'orange' },
  unreachable: { text: 'Hub unreachable', icon: DisconnectedIcon, color: 'red' },
  refused: { text: 'Not live', icon: DisconnectedIcon, color: 'red' },
  signedOut: { text: 'Signed out', icon: DisconnectedIcon, color: 'grey' },
  paused: { text: 'Paused', icon: PauseCircleIcon, color: 'grey' },
};
const OFFLINE: Look = { text: 'Offline', icon: DisconnectedIcon, color: 'red' };

/** Label of the connection state. Screen readers announce changes. */
export const LiveLabel = () => {
  const { kind } = useLiveState();
  const online = useOnline();
  const { text, icon: Icon, color } = online || kind === 'live' ? LOOKS[kind] : OFFLINE;
  return (
    <span role="status" data-live={kind}>
      <Label variant="outline" color={color} icon={<Icon />}>
        {text}
      </Label>
    </span>
  );
};
