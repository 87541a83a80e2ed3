import { Label, type LabelProps } from '@patternfly/react-core';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import PauseCircleIcon from '@patternfly/react-icons/dist/esm/icons/pause-circle-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import type { ComponentType } from 'react';
import type { LiveState } from './connection.ts';
import { useLiveState, useOnline } from './live-state.ts';

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

/** Whether what is on screen follows what happens; said aloud when it changes. */
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
