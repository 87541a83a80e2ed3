import type { SessionView } from '@fso/shared/api';
import { Alert, AlertActionLink, Modal, ModalBody, ModalHeader } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { getJson } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { isSessionEnded, loginMethodsQuery, markSessionRenewed, onSessionChange, providerLogin, sessionQuery } from '../../api/session.ts';
import { RelativeTime } from '../../components/text.tsx';
import { useNow } from '../../lib/time.ts';
import { isOtherSession, onSignIn } from './session-tabs.ts';
import { SignInForm } from './sign-in-form.tsx';

/** Path of the page that a login in another tab ends on. */
export const SIGNED_IN = '/signed-in';

export const useSessionEnded = (): boolean => useSyncExternalStore(onSessionChange, isSessionEnded);

/**
 * Opens the provider's login in a new tab, so that this one keeps its content. If tabs are blocked,
 * uses this one.
 */
const loginInTab = (): void => {
  const tab = window.open(providerLogin(SIGNED_IN), '_blank');
  if (tab === null) window.location.assign(providerLogin(window.location.pathname + window.location.search));
};

/**
 * Returns a function that continues once there is a session again, and refetches what may have
 * changed.
 */
const useGoOn = (): (() => void) => {
  const client = useQueryClient();
  return () => {
    markSessionRenewed();
    void client.invalidateQueries();
  };
};

/** Watches for a sign-in in the tab of the provider, or in another one. */
const useOtherTabs = (goOn: () => void): void => {
  const client = useQueryClient();
  const go = useRef(goOn);
  go.current = goOn;
  const before = useRef(client.getQueryData<SessionView>(keys.session));
  useEffect(() => {
    const check = async (isNotified: boolean): Promise<void> => {
      const session = await getJson<SessionView>('/auth/session').catch(() => undefined);
      if (session === undefined) return;
      const isNew = isNotified || isSessionEnded() || isOtherSession(before.current, session);
      if (!isNew) return;
      client.setQueryData(keys.session, session);
      go.current();
    };
    const onFocus = (): void => void check(false);
    const unsubscribe = onSignIn(() => void check(true));
    window.addEventListener('focus', onFocus);
    return () => {
      unsubscribe();
      window.removeEventListener('focus', onFocus);
    };
  }, [client]);
};

const EndedDialog = ({ title, text, onClose }: { readonly title: string; readonly text: string; readonly onClose?: () => void }) => {
  const goOn = useGoOn();
  const done = (): void => {
    goOn();
    onClose?.();
  };
  useOtherTabs(done);
  // Without anything to focus, the dialog could not keep the focus inside.
  const methods = useQuery(loginMethodsQuery);
  if (methods.status === 'pending') return null;
  return (
    <Modal isOpen variant="small" aria-labelledby="session-title" {...(onClose === undefined ? {} : { onClose })}>
      <ModalHeader title={title} labelId="session-title" description={text} />
      <ModalBody>
        <SignInForm onProvider={loginInTab} onSignedIn={done} />
      </ModalBody>
    </Modal>
  );
};

/** Dialog over an unchanged page when the session has ended. */
export const SessionDialog = () =>
  useSessionEnded() ? <EndedDialog title="Your session has ended" text="Sign in to continue. This page stays as it is." /> : null;

/** Dialog for signing in again before the session ends. */
const RenewDialog = ({ onClose }: { readonly onClose: () => void }) => (
  <EndedDialog title="Sign in again" text="This starts a new session. The page stays as it is." onClose={onClose} />
);

const WARN_MS = 5 * 60_000;
const CHECK_MS = 5000;

/** Warns before the session ends, and checks with the hub at its expected end. */
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
