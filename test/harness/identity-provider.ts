import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import Provider, { type Configuration } from 'oidc-provider';
import { freePort } from '../../clusters/local/ports.ts';

export const CLIENT_ID = 'fso';
/** Client without a secret. */
export const PUBLIC_CLIENT_ID = 'fso-public';
export const CLIENT_SECRET = 'secret-of-the-hub-0123456789';
export const AUDIENCE = 'https://hub.example/api';

export interface Person {
  readonly name: string;
  readonly groups: readonly string[];
}

/** Real identity provider on this machine. Users sign in without a form, as `user`. */
export interface IdentityProvider {
  readonly issuer: string;
  readonly port: number;
  /** User who signs in next. */
  user: string;
  /**
   * Whether ID tokens contain the claims, which otherwise are in the user info only. Takes effect
   * at the next {@link start}.
   */
  inIdToken: boolean;
  /**
   * Creates an access token of the client credentials grant, a JWT for `audience` with the groups
   * of a program.
   */
  accessToken(options: { audience?: string; groups?: readonly string[]; lifetimeS?: number }): Promise<string>;
  /** Stops responding until {@link start}. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface IdentityProviderOptions {
  readonly redirectUris: readonly string[];
  readonly people: Readonly<Record<string, Person>>;
  /** Issuer URL for clients; default: one on this machine. */
  readonly issuer?: string;
}

const signingKey = () => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  alg: 'RS256',
});

interface Machine {
  groups: readonly string[];
  lifetimeS: number;
}

const key = signingKey();

const configuration = (options: IdentityProviderOptions, idp: IdentityProvider, machine: Machine): Configuration => ({
  jwks: { keys: [key as never] },
  cookies: { keys: ['key-of-the-tests-cookies'] },
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: [...options.redirectUris],
      grant_types: ['authorization_code', 'client_credentials'],
    },
    { client_id: PUBLIC_CLIENT_ID, token_endpoint_auth_method: 'none', redirect_uris: [...options.redirectUris] },
  ],
  scopes: ['openid', 'profile', 'groups'],
  claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
  conformIdTokenClaims: !idp.inIdToken,
  ttl: {
    AccessToken: 600,
    ClientCredentials: (_context, token) => token.resourceServer?.accessTokenTTL ?? 600,
    Grant: 600,
    IdToken: 600,
    Interaction: 600,
    Session: 600,
  },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: options.people[id]?.name, groups: options.people[id]?.groups as never }),
  }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  // All users have consented to everything.
  loadExistingGrant: async (context) => {
    const { client, session } = context.oidc;
    const grant = new context.oidc.provider.Grant({ clientId: client?.clientId ?? '', accountId: session?.accountId ?? '' });
    grant.addOIDCScope('openid profile groups');
    await grant.save();
    return grant;
  },
  extraTokenClaims: () => ({ groups: machine.groups as never }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: '',
        audience: resource,
        accessTokenTTL: machine.lifetimeS,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});

const createProvider = (issuer: string, idp: IdentityProvider, settings: Configuration): Server => {
  const provider = new Provider(issuer, settings);
  // With an https:// issuer, this server is behind one that terminates TLS.
  const protocol = new URL(issuer).protocol.slice(0, -1);
  provider.proxy = true;
  const handle = provider.callback();
  return createServer((request, response) => {
    request.headers['x-forwarded-proto'] = protocol;
    const done = request.url?.startsWith('/interaction/')
      ? provider.interactionFinished(request, response, { login: { accountId: idp.user } })
      : handle(request, response);
    Promise.resolve(done).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
};

const bind = (server: Server, port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

export const startIdentityProvider = async (options: IdentityProviderOptions): Promise<IdentityProvider> => {
  const port = await freePort();
  const { issuer = `http://localhost:${port}` } = options;
  const machine: Machine = { groups: [], lifetimeS: 600 };
  let server: Server | undefined;

  const requestToken = async (audience: string): Promise<string> => {
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
    });
    const { access_token: token } = (await response.json()) as { access_token?: string };
    if (token === undefined) throw new Error(`the provider answered ${response.status}`);
    return token;
  };

  const idp: IdentityProvider = {
    issuer,
    port,
    user: 'ada',
    inIdToken: false,
    accessToken: ({ audience = AUDIENCE, groups = [], lifetimeS = 600 }) => {
      Object.assign(machine, { groups, lifetimeS });
      return requestToken(audience);
    },
    stop: async () => {
      if (server !== undefined) await close(server);
      server = undefined;
    },
    start: async () => {
      server = createProvider(issuer, idp, configuration(options, idp, machine));
      await bind(server, port);
    },
  };
  await idp.start();
  return idp;
};
