import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Header lines, unfolded, by lower-case name. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Whole message, as received. */
  readonly raw: string;
}

/** SMTP server that accepts mail from clients with the password. */
export interface TestMailServer {
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
  stop(): Promise<void>;
}

const headersOf = (raw: string): Map<string, string[]> => {
  const [head = ''] = raw.split('\r\n\r\n', 1);
  const headers = new Map<string, string[]>();
  for (const line of head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(line.indexOf(':') + 1).trim()]);
  }
  return headers;
};

export interface MailServerOptions {
  readonly username: string;
  /** Current password, which a test may change. */
  password: string;
  /** Response codes of refused addresses. */
  readonly refusals?: Readonly<Record<string, number>>;
  /** Certificate and key for STARTTLS; absent if the server does not offer it. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export const startMailServer = async (options: MailServerOptions): Promise<TestMailServer> => {
  const { username, tls, refusals = {} } = options;
  const mails: ReceivedMail[] = [];
  const server = new SMTPServer({
    ...tls,
    ...(tls === undefined ? { hideSTARTTLS: true, allowInsecureAuth: true } : {}),
    onAuth: (auth, _session, done) =>
      auth.username === username && auth.password === options.password ? done(null, { user: username }) : done(new Error('wrong password')),
    onRcptTo: ({ address }, _session, done) => {
      const responseCode = refusals[address];
      done(responseCode === undefined ? null : Object.assign(new Error('not here'), { responseCode }));
    },
    onData: (stream, { envelope }, done) => {
      text(stream).then((raw) => {
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
        mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), headers: headersOf(raw), raw });
        done();
      }, done);
    },
  });
  // A killed hub breaks its connection.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
};
