import { Alert, AlertActionLink } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useRef } from 'react';
import { statusQuery } from '../../api/queries.ts';
import { RelativeTime } from '../../components/relative-time.tsx';
import { useLiveState, useOnline } from './live-state.ts';

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** Over the page, while what it shows may be old: why, and since when. */
export const LiveBanner = () => {
  const state = useLiveState();
  const online = useOnline();
  if (state.kind === 'unreachable')
    return (
      <Alert isInline variant="danger" component="p" title={online ? 'The hub does not answer' : 'This browser is offline'}>
        Since <RelativeTime time={timeOf(state.since)} />. What is shown is from before that; it is read again as soon as the hub answers.
        Clusters keep enforcing their policies without the hub.
      </Alert>
    );
  if (state.kind === 'refused')
    return (
      <Alert isInline variant="warning" component="p" title="What is shown is not live">
        Since <RelativeTime time={timeOf(state.since)} />: {state.why}
      </Alert>
    );
  return <NewVersion />;
};

/** The hub was updated while this page was open: its scripts are those of the old one. */
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
      actionLinks={<AlertActionLink onClick={() => window.location.reload()}>Load the page anew</AlertActionLink>}
    />
  );
};
