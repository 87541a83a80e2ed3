import { Alert, AlertActionLink } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { sessionQuery } from '../../api/session.ts';
import { RelativeTime } from '../../components/text.tsx';
import { useNow } from '../../lib/time.ts';
import { RenewDialog, useSessionEnded } from './session-dialog.tsx';

const WARN_MS = 5 * 60_000;
const CHECK_MS = 5000;

/** Says in time that the session is about to end, and asks the hub once it should have. */
export const ExpiryWarning = () => {
  const client = useQueryClient();
  const { data: session } = useQuery(sessionQuery);
  const ended = useSessionEnded();
  const now = useNow(CHECK_MS);
  const [isRenewing, setRenewing] = useState(false);
  const expiresAt = session?.expiresAt ?? null;
  const leftMs = expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt) - now;
  const isOver = leftMs <= 0;
  useEffect(() => {
    if (isOver && !ended) void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }, [isOver, ended, client]);
  if (isRenewing && !ended) return <RenewDialog onClose={() => setRenewing(false)} />;
  if (leftMs > WARN_MS || isOver || ended) return null;
  return (
    <Alert
      isInline
      variant="warning"
      component="p"
      title={
        <>
          Your session ends <RelativeTime time={expiresAt} />.
        </>
      }
      actionLinks={<AlertActionLink onClick={() => setRenewing(true)}>Sign in again now</AlertActionLink>}
    />
  );
};
