import { Alert, Button, Card, CardBody, CardTitle, Title } from '@patternfly/react-core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef } from 'react';
import { keys } from '../../api/keys.ts';
import { loginMethodsQuery, markSessionRenewed, providerLogin, sessionQuery, signInWithToken } from '../../api/session.ts';
import { Loading } from '../../components/empty-states.tsx';
import { Brand, ThemeMenu } from '../brand.tsx';
import { safeReturnTo } from './login-urls.ts';
import { announceSignIn } from './session-tabs.ts';
import { SignInForm } from './sign-in-form.tsx';

const route = getRouteApi('/login');

/** Returns a function that continues at the page that required the login. */
const useGoOn = (): (() => void) => {
  const router = useRouter();
  const { returnTo } = route.useSearch();
  return () => {
    markSessionRenewed();
    router.history.push(safeReturnTo(returnTo, window.location.origin));
  };
};

export const LoginPage = () => {
  const { linkToken } = route.useRouteContext();
  const { returnTo } = route.useSearch();
  const goOn = useGoOn();
  const methods = useQuery(loginMethodsQuery);
  const isAnonymous = methods.data?.anonymous ?? false;
  const go = useRef(goOn);
  go.current = goOn;
  useEffect(() => {
    document.title = 'Sign in · Federated Sovereignty';
    if (isAnonymous) go.current();
  }, [isAnonymous]);
  const target = safeReturnTo(returnTo, window.location.origin);
  return (
    <Frame>
      {linkToken === undefined ? (
        <SignInForm onProvider={() => window.location.assign(providerLogin(target))} onSignedIn={goOn} />
      ) : (
        <WithLink token={linkToken} onSignedIn={goOn} />
      )}
    </Frame>
  );
};

const Frame = ({ children }: { readonly children: ReactNode }) => (
  <main className="fso-login">
    <Card className="fso-login-card">
      <CardTitle>
        <div className="fso-login-brand">
          <Brand />
          <ThemeMenu />
        </div>
        <Title headingLevel="h1" size="xl">
          Sign in
        </Title>
      </CardTitle>
      <CardBody>{children}</CardBody>
    </Card>
  </main>
);

/**
 * Login by a link. A user who is already signed in must confirm it: a link must not switch users
 * silently.
 */
const WithLink = ({ token, onSignedIn }: { readonly token: string; readonly onSignedIn: () => void }) => {
  const client = useQueryClient();
  const session = useQuery(sessionQuery);
  const login = useMutation({
    mutationFn: () => signInWithToken(token),
    onSuccess: (signedIn) => {
      client.clear();
      client.setQueryData(keys.session, signedIn);
      onSignedIn();
    },
  });
  const started = useRef(false);
  const isSignedOut = session.isError;
  const { mutate } = login;
  useEffect(() => {
    if (!isSignedOut || started.current) return;
    started.current = true;
    mutate();
  }, [isSignedOut, mutate]);
  if (login.isError)
    return (
      <Alert isInline variant="danger" title="The sign-in link failed" component="h2">
        {login.error.message}
      </Alert>
    );
  if (session.data === undefined || login.isPending) return <Loading what="Signing in" lines={2} />;
  return (
    <div className="fso-login-ways">
      <p>You are signed in as {session.data.name}. The link contains another token.</p>
      <Button isBlock onClick={() => mutate()}>
        Sign in with the token of the link
      </Button>
      <Button isBlock variant="secondary" onClick={onSignedIn}>
        Stay {session.data.name}
      </Button>
    </div>
  );
};

/** Last page of a login that another tab began. That tab continues, and this one closes. */
export const SignedInPage = () => {
  useEffect(() => {
    document.title = 'Signed in · Federated Sovereignty';
    announceSignIn();
    window.close();
  }, []);
  return (
    <main className="fso-login">
      <p>You are signed in. You can close this tab.</p>
    </main>
  );
};
