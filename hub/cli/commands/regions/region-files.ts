import { join } from 'node:path';
import { CATALOG_PATH } from '@fso/shared/api';
import { decodeAlone, FOLDERS, folderOf, type PolicySet, regionsOf } from '@fso/shared/decode';
import { indexCatalog, RegionResolver } from '@fso/shared/regions';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { CliError } from '../../errors.ts';
import { readPolicyFolder } from '../policy-files/policy-folder.ts';

/** Reads the documents in `regions/` of a repository. Others are not decoded. @throws CliError */
export const readRegionFiles = (folder: string): PolicySet => {
  const { files, problems } = readPolicyFolder(folder);
  const decoded = decodeAlone(files.filter(({ path }) => folderOf(path) === FOLDERS.RegionCatalog));
  const [first] = [...problems, ...decoded.problems].filter(({ path }) => folderOf(path) === FOLDERS.RegionCatalog);
  if (first !== undefined) throw new CliError(`${first.path}:${first.line}:${first.column}: ${first.reason}`);
  return decoded.set;
};

/** Catalogue of regions with its origin. */
export interface RegionSource {
  readonly regions: RegionResolver;
  /** Path of the file, or name of the release. */
  readonly origin: string;
}

/** Opens the regions of a repository, or those of this release if it has no catalogue. */
export const openRegions = (folder: string): RegionSource => {
  const set = readRegionFiles(folder);
  if (set.catalog !== undefined) return { regions: regionsOf(set), origin: join(folder, CATALOG_PATH) };
  return {
    regions: new RegionResolver(indexCatalog(SEED_CATALOG), regionsOf(set).groups),
    origin: `this release, as ${join(folder, CATALOG_PATH)} is not there`,
  };
};
