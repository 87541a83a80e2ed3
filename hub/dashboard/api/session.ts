import { describeScope, isUnscoped, type LoginMethods, type LogoutView, type SessionView } from '@fso/shared/api';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { getJson, postJson } from './client.ts';
import { keys } from './keys.ts';

/** Whether the hub has ended the session: one flag for the whole page. */

let ended = false;
const listeners = new Set<() => void>();

const setEnded = (value: boolean): void => {
  if (ended === value) return;
  ended = value;
  for (const listener of [...listeners]) listener();
};

/** Makes every page show that the session has ended. */
export const markSessionEnded = (): void => setEnded(true);
export const markSessionRenewed = (): void => setEnded(false);
export const isSessionEnded = (): boolean => ended;
/** Calls a listener when the session ends or begins again. @returns its removal */
export const onSessionChange = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/**
 * Session of the signed-in user. It is not retried: the state of the connection shows an
 * unreachable hub.
 */
export const sessionQuery = queryOptions({
  queryKey: keys.session,
  queryFn: ({ signal }) => getJson<SessionView>('/auth/session', {}, signal),
  retry: false,
});

/**
 * Describes the part of the fleet that the signed-in user sees; undefined if it is the whole fleet,
 * or not known yet.
 */
export const useScope = (): string | undefined => {
  const { data: session } = useQuery(sessionQuery);
  if (session === undefined || session.grants.length === 0 || session.grants.some(isUnscoped)) return undefined;
  return [...new Set(session.grants.map(describeScope))].join(', and ');
};

export const loginMethodsQuery = queryOptions({
  queryKey: keys.loginMethods,
  queryFn: ({ signal }) => getJson<LoginMethods>('/auth/methods', {}, signal),
});

/** @param returnTo path at which the browser continues after the login */
export const providerLogin = (returnTo: string): string => `/auth/login?${new URLSearchParams({ returnTo })}`;

/**
 * Starts a dashboard session with an access token.
 *
 * @throws ApiProblem if the hub does not know the token
 */
export const signInWithToken = (token: string): Promise<SessionView> => postJson('/auth/token', { token });
export const signOut = (): Promise<LogoutView> => postJson('/auth/logout');
