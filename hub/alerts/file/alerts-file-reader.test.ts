import { pino } from 'pino';
import { expect, it } from 'vitest';
import { alertsConfig, openAlertsFolder } from '../testing/alerts-files.ts';
import { AlertsFile } from './alerts-file-reader.ts';

it('reads an alerts file again when it changes, and ignores an invalid change', async () => {
  await using folder = await openAlertsFolder();
  const text = (name: string): string => `receivers: [{name: ${name}, alertmanager: {url: "http://am"}}]\nroute: {receiver: ${name}}\n`;
  const path = await folder.write('alerts.yaml', text('one'));
  const file = new AlertsFile(path, alertsConfig(text('one')), pino({ level: 'silent' }));
  await file.refresh();
  await folder.write('alerts.yaml', `${text('two')}# another\n`);
  await file.refresh();
  expect(file.config.receivers.map(({ name }) => name)).toEqual(['two']);
  await folder.write('alerts.yaml', 'receivers: []');
  await file.refresh();
  expect(file.config.receivers.map(({ name }) => name)).toEqual(['two']);
});

it('reads an alerts file again when its secret arrives later, and logs the problem once', async () => {
  await using folder = await openAlertsFolder();
  const text = (name: string, file: string): string =>
    `receivers: [{name: ${name}, slack: {urlFile: ${file}}}]\nroute: {receiver: ${name}}\n`;
  const secret = await folder.secret('url', 'https://chat.example.com/hook');
  const path = await folder.write('alerts.yaml', text('one', secret));
  const lines: string[] = [];
  const file = new AlertsFile(path, alertsConfig(text('one', secret)), pino({ level: 'error' }, { write: (line) => lines.push(line) }));
  await folder.write('alerts.yaml', text('two', `${secret}-2`));
  await file.refresh();
  await file.refresh();
  expect([file.config.receivers[0]?.name, lines.length]).toEqual(['one', 1]);
  await folder.secret('url-2', 'https://chat.example.com/other');
  await file.refresh();
  expect(file.config.receivers[0]?.name).toBe('two');
});
