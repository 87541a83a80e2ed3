import type { LoginMethods, LogoutView, SessionView } from '@fso/shared/api';
import { queryOptions } from '@tanstack/react-query';
import { getJson, postJson } from './client.ts';
import { keys } from './keys.ts';

/** Who is signed in. Not tried again by itself: a hub that does not answer is shown by the connection. */
export const sessionQuery = queryOptions({
  queryKey: keys.session,
  queryFn: ({ signal }) => getJson<SessionView>('/auth/session', {}, signal),
  retry: false,
});

export const loginMethodsQuery = queryOptions({
  queryKey: keys.loginMethods,
  queryFn: ({ signal }) => getJson<LoginMethods>('/auth/methods', {}, signal),
});

export const signInWithToken = (token: string): Promise<SessionView> => postJson('/auth/token', { token });
export const signOut = (): Promise<LogoutView> => postJson('/auth/logout');
export const fetchSource = (): Promise<unknown> => postJson('/api/v1/source/fetch');

/** @param returnTo path of this hub where the login goes on */
export const providerLogin = (returnTo: string): string => `/auth/login?${new URLSearchParams({ returnTo })}`;
