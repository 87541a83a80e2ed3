import type { Command } from 'commander';
import { action, examples, outputOption } from './options.ts';

/** Commands about regions. They need no hub, because the data is in a repository or the release. */

const DIR = ['--dir <dir>', 'root of the policy repository', '.'] as const;

const loadRegions = () => import('../commands/regions/regions.ts');

/** Adds `fso regions` with its commands to the program. */
export const addRegions = (program: Command): void => {
  const regions = program.command('regions').description('what the names of regions stand for: provider, country, place; needs no hub');
  regions
    .command('list')
    .description('list the regions of the catalogue of a repository, else of this release')
    .option('--country <code>', 'only those in this country, by its code of ISO 3166-1')
    .option('--provider <provider>', 'only those of this provider')
    .option(...DIR)
    .addOption(outputOption())
    .addHelpText('after', examples('regions list --country DE', 'regions list --provider aws -o wide'))
    .action(action(async () => (await loadRegions()).listRegions));
  regions
    .command('explain')
    .description('say what a name or a reference of a policy stands for')
    .argument('<reference>', 'eu-west-1, aws/eu-west-1, country:DE, partition:aws-eusc or group:eu')
    .option(...DIR)
    .addOption(outputOption())
    .addHelpText('after', examples('regions explain eu-west-1', 'regions explain group:eu --dir ../policies'))
    .action(action(async () => (await loadRegions()).explainRegion));
  regions
    .command('update')
    .description('write the catalogue of this release into a repository, as regions/catalog.yaml; entries of your own stay')
    .option(...DIR)
    .addHelpText('after', examples('regions update', 'regions update --dir ../policies'))
    .action(action(async () => (await import('../commands/regions/update.ts')).updateRegions));
};
