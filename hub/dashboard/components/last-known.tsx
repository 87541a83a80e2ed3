import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import type { ReactNode } from 'react';
import { RelativeTime } from './relative-time.tsx';
import './last-known.css';

/** Beside what a cluster last said before it was cut off. @param lastSeen RFC 3339; undefined: not read yet */
export const LastKnown = ({ lastSeen }: { readonly lastSeen: string | null | undefined }) => (
  <div className="fso-muted">
    <DisconnectedIcon /> last known
    {lastSeen === undefined ? null : (
      <>
        , <RelativeTime time={lastSeen} absent="time not known" />
      </>
    )}
  </div>
);

/** Around a state that was, without the colour of one that is. */
export const Was = ({ children }: { readonly children: ReactNode }) => <div className="fso-last-known">{children}</div>;
