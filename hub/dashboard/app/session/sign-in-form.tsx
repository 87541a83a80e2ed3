import type { LoginMethods } from '@fso/shared/api';
import { Alert, Button, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, TextInput } from '@patternfly/react-core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';
import { keys } from '../../api/keys.ts';
import { loginMethodsQuery, signInWithToken } from '../../api/session.ts';
import { QueryView } from '../../components/empty-states.tsx';

interface SignInFormProps {
  /** Starts the login at the identity provider. */
  readonly onProvider: () => void;
  readonly onSignedIn: () => void;
}

/** Form with the login methods that the hub offers. */
export const SignInForm = (props: SignInFormProps) => {
  const methods = useQuery(loginMethodsQuery);
  return (
    <QueryView query={methods} what="the ways to sign in" lines={2}>
      {(known) => <Ways methods={known} {...props} />}
    </QueryView>
  );
};

const Ways = ({ methods, onProvider, onSignedIn }: SignInFormProps & { readonly methods: LoginMethods }) => (
  <div className="fso-login-ways">
    {methods.provider ? (
      <Button variant="primary" isBlock onClick={onProvider}>
        Sign in with your identity provider
      </Button>
    ) : null}
    {methods.token ? <TokenForm onSignedIn={onSignedIn} isSecond={methods.provider} /> : null}
    {methods.provider || methods.token || methods.anonymous ? null : (
      <Alert isInline variant="info" title="Browsers cannot sign in to this hub" component="h2">
        Set an identity provider (FSO_OIDC_ISSUER), or the hub’s own address (FSO_PUBLIC_URL) so that it accepts API tokens from browsers.
      </Alert>
    )}
  </div>
);

const TokenForm = ({ onSignedIn, isSecond }: { readonly onSignedIn: () => void; readonly isSecond: boolean }) => {
  const id = useId();
  const client = useQueryClient();
  const [token, setToken] = useState('');
  const login = useMutation({
    mutationFn: signInWithToken,
    onSuccess: (session) => {
      client.setQueryData(keys.session, session);
      onSignedIn();
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (token.trim() !== '') login.mutate(token.trim());
  };
  return (
    <Form onSubmit={submit}>
      {login.isError ? <Alert isInline variant="danger" title={login.error.message} component="p" /> : null}
      <FormGroup label="API token" fieldId={id}>
        <TextInput
          id={id}
          type="password"
          autoComplete="off"
          value={token}
          onChange={(_event, value) => setToken(value)}
          aria-describedby={`${id}-help`}
        />
        <FormHelperText>
          <HelperText id={`${id}-help`}>
            <HelperTextItem>
              From <code>fso tokens create</code>, or the hub’s FSO_API_TOKEN. The browser stores a session, not the token.
            </HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <Button type="submit" variant={isSecond ? 'secondary' : 'primary'} isBlock isLoading={login.isPending} isDisabled={login.isPending}>
        Sign in with the token
      </Button>
    </Form>
  );
};
