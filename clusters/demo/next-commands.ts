import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { World } from './world.ts';

/** Where the `fleet` command looks by itself. */
const USUAL_STATE_DIR = join(import.meta.dirname, '..', '..', '.fso');

/** Tells where everything is while the demo stays up, and leaves the settings of the `fso` command in a file to source. */
export function printNextCommands(world: World, print: (line: string) => void): void {
  const folder = dirname(world.repository.folder);
  const settings = join(folder, 'env');
  const stateDir = dirname(folder);
  const elsewhere = stateDir === USUAL_STATE_DIR ? '' : `--state-dir ${stateDir} `;
  writeFileSync(settings, `export FSO_SERVER=${world.hubUrl}\nexport FSO_TOKEN=${world.apiToken}\n`, { mode: 0o600 });
  const lines = [
    '',
    `dashboard    ${world.hubUrl}/login#token=${world.apiToken}`,
    `hub          ${world.hubUrl}/api/v1/status (bearer token in ${settings})`,
    `repository   ${world.gitUrl}; a working copy to commit in: ${world.repository.folder}`,
    ...world.clusters.map(({ name, kubeconfig }) => `cluster      ${name}: export KUBECONFIG=${kubeconfig}`),
    `logs         ${join(folder, 'logs')}`,
    '',
    'Go on with:',
    `  . ${settings}`,
    '  npm run -s fso -- status',
    '  npm run -s fso -- get policies -o wide',
    '  npm run -s fso -- describe policy finance-eu',
    `  npm run -s fleet -- kubectl ${elsewhere}eu get sovereignpolicies -A   # kubectl of PATH; where there is none, one is made`,
    `  cd ${world.repository.folder}   # change policies/*.yaml, then: git commit -a -m … && git push origin HEAD:main`,
    '',
    'Ctrl-C ends all of it.',
  ];
  for (const line of lines) print(line);
}
