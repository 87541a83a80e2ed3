import { escapeHtml } from '@fso/shared/encoding';
import { messageOf } from '@fso/shared/runtime';
import { truncate } from '@fso/shared/text';
import type { ReceiverSettings } from '../file/alerts-file.ts';
import { attempt, cleanAnswer, readSecret } from './http.ts';
import { LISTED, labelText, lineOf, moreText, shortDetails, timeText, titleOf } from './notification-text.ts';
import type { Notification, NotifiedAlert, Outcome } from './receiver.ts';

type Settings = NonNullable<ReceiverSettings['email']>;

const TIMEOUT_MS = 10_000;
/** Deadline of the whole delivery, so that a slow server holds nothing up for longer. */
const DEADLINE_MS = 30_000;
/** A line of a header has at most 998 characters (RFC 5322, 2.1.1); readers show fewer. */
const MAX_SUBJECT = 200;
const MAX_DETAILS = 2_048;

/** Subject in one line: no character of it ends a header. */
const subjectOf = (notification: Notification): string => truncate(titleOf(notification).replaceAll(/\p{Cc}+/gu, ' '), MAX_SUBJECT);

const timesOf = ({ startsAt, endsAt }: NotifiedAlert): string =>
  `since ${timeText(startsAt)}${endsAt === null ? '' : `, until ${timeText(endsAt)}`}`;

/** Quotes text that others wrote, so that no line of it reads as one of the hub. */
const quote = (text: string): string =>
  text === ''
    ? ''
    : text
        .split(/\r\n|\r|\n/)
        .map((line) => `> ${line}`)
        .join('\n');

const textOf = (alert: NotifiedAlert): string =>
  [lineOf(alert), labelText(alert), timesOf(alert), quote(shortDetails(alert, MAX_DETAILS)), alert.url]
    .filter((line) => line !== '')
    .join('\n');

const htmlOf = (alert: NotifiedAlert): string => {
  const link = /^https?:\/\//.test(alert.url) ? `<p><a href="${escapeHtml(alert.url)}">Open in the dashboard</a></p>` : '';
  const details = alert.details === '' ? '' : `<pre>${escapeHtml(shortDetails(alert, MAX_DETAILS))}</pre>`;
  return `<h2>${escapeHtml(lineOf(alert))}</h2><p>${escapeHtml(labelText(alert))}<br>${escapeHtml(timesOf(alert))}</p>${details}${link}`;
};

/** Formats the subject and the body of the mail, as plain text and as simple HTML. */
export const formatEmail = (notification: Notification): { readonly subject: string; readonly text: string; readonly html: string } => {
  const listed = notification.alerts.slice(0, LISTED);
  const more = moreText(notification);
  const subject = subjectOf(notification);
  return {
    subject,
    text: `${[...listed.map(textOf), ...(more === '' ? [] : [more])].join('\n\n')}\n`,
    html: `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(subject)}</title><body>${listed.map(htmlOf).join('\n')}${more === '' ? '' : `<p>${more}</p>`}</body></html>`,
  };
};

/** Message-ID (RFC 5322, 3.6.4): equal for all attempts, so that a mail arrives only once. */
export const messageIdOf = ({ key }: Notification, from: string): string => `<${key}@${from.slice(from.lastIndexOf('@') + 1)}>`;

/**
 * Whether a server would refuse the same mail again. Replies 55z are about the mail and its
 * addresses (RFC 5321, 4.2.2); others, such as about a password, may pass.
 */
const isPermanent = (error: unknown): boolean => {
  const code: unknown = Reflect.get(Object(error), 'responseCode');
  return typeof code === 'number' && code >= 550 && code < 560;
};

/**
 * Outcome of a mail, which a server may accept for some of its addresses only. The mail is then
 * sent again, under the same id, as long as that may reach the others.
 */
const outcomeOf = (
  sent: { readonly response: string; readonly rejectedErrors?: readonly unknown[] | undefined },
  secrets: string[],
): Outcome => {
  const { rejectedErrors: errors = [] } = sent;
  if (errors.length === 0) return { kind: 'delivered', answer: cleanAnswer(sent.response, secrets) };
  const reason = cleanAnswer(`not to all addresses: ${errors.map(messageOf).join('; ')}`, secrets);
  return { kind: errors.every(isPermanent) ? 'refused' : 'failed', reason };
};

/**
 * Opens a connection for mails. The library is loaded only here, as a hub that sends no mail does
 * not need the modules of Node.js that it loads.
 */
const openTransport = async ({ host, port, tls, username }: Settings, password: string | undefined) => {
  const { createTransport } = await import('nodemailer');
  return createTransport({
    host,
    port,
    secure: tls === 'tls',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    tls: { minVersion: 'TLSv1.2' },
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(username === undefined || password === undefined ? {} : { auth: { user: username, pass: password } }),
  });
};

/** Sends one mail to all addresses. */
export const sendEmail = (settings: Settings, notification: Notification, signal: AbortSignal): Promise<Outcome> =>
  attempt(async () => {
    const password = settings.passwordFile === undefined ? undefined : await readSecret(settings.passwordFile);
    const transport = await openTransport(settings, password);
    try {
      const { from, to } = settings;
      const sent = await transport.sendMail({
        from,
        to,
        messageId: messageIdOf(notification, from),
        date: new Date(notification.createdAt),
        signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
        // Prevents automatic replies (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated' },
        ...formatEmail(notification),
      });
      return outcomeOf(sent, [password ?? '']);
    } catch (error) {
      const reason = cleanAnswer(messageOf(error), [password ?? '']);
      return isPermanent(error) ? { kind: 'refused', reason } : { kind: 'failed', reason };
    } finally {
      transport.close();
    }
  });
