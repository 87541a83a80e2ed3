import { hostname } from 'node:os';
import { byText } from '@fso/shared/encoding';
import { expect, it } from 'vitest';
import { serverHosts } from './server-certificate.ts';

it.each([
  ['127.0.0.1', [], ['127.0.0.1', 'localhost', '::1']],
  ['10.1.2.3', [], ['10.1.2.3']],
  ['hub.example.com', ['hub.example.com', 'hub'], ['hub.example.com', 'hub']],
  ['0.0.0.0', ['hub.example.com'], ['hub.example.com', hostname().toLowerCase(), 'localhost', '127.0.0.1', '::1']],
  ['::', [], [hostname().toLowerCase(), 'localhost', '127.0.0.1', '::1']],
])('has for a listener on %s, called %j as well, a certificate for %j', (host, hostnames, names) => {
  expect([...serverHosts({ host, port: 8443 }, hostnames)].toSorted(byText)).toEqual([...new Set(names)].toSorted(byText));
  expect(serverHosts({ host, port: 8443 }, hostnames)[0]).toBe(names[0]);
});
