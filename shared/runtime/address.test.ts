import { describe, expect, it } from 'vitest';
import { isLoopback, parseAddress } from './address.ts';

describe('parseAddress', () => {
  it('reads host and port', () => {
    expect(parseAddress('127.0.0.1:80')).toEqual({ host: '127.0.0.1', port: 80 });
    expect(parseAddress(':8080')).toEqual({ host: '0.0.0.0', port: 8080 });
    expect(parseAddress('[::1]:1')).toEqual({ host: '::1', port: 1 });
    for (const wrong of ['8080', 'host:', 'host:99999', '::1:80']) expect(() => parseAddress(wrong)).toThrow('expected host:port');
  });
});

describe('isLoopback', () => {
  it.each(['localhost', '127.0.0.1', '127.8.9.1', '::1', '[::1]'])('is so for %s', (host) => expect(isLoopback(host)).toBe(true));

  it.each(['', '0.0.0.0', '::', '10.0.0.1', 'hub', '127.0.0.1.example.com', '[::1', 'localhost.example.com'])('is not for "%s"', (host) =>
    expect(isLoopback(host)).toBe(false),
  );
});
