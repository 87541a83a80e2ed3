import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { sha256 } from '../releases/downloader.ts';
import type { Release } from '../releases/releases.ts';

const BLOCK = 512;

/** Creates the entry of a regular file in a tar archive (POSIX ustar). */
function tarEntry(name: string, content: Uint8Array): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0);
  header.write('0000755\0', 100);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

/** Creates a .tar.gz of files. */
export const tarball = (files: Readonly<Record<string, Uint8Array>>): Buffer =>
  gzipSync(Buffer.concat([...Object.entries(files).map(([name, content]) => tarEntry(name, content)), Buffer.alloc(2 * BLOCK)]), {
    level: 1,
  });

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Mirror of release hosts on 127.0.0.1. It serves the content of `https://host/path` under
 * `/host/path`.
 */
export class Mirror {
  readonly #server: Server;
  /** Handlers by path, such as `/dl.k8s.io/release/…`. */
  readonly handlers = new Map<string, Handler>();
  readonly requests: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Mirror> {
    const server = createServer();
    const mirror = new Mirror(server);
    server.on('request', (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://mirror');
      if (request.method !== 'HEAD') mirror.requests.push(pathname);
      const handler = mirror.handlers.get(pathname);
      if (handler) handler(request, response);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return mirror;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  serve(url: string, content: Uint8Array, headers: Readonly<Record<string, string>> = {}): void {
    this.handlers.set(url.replace('https://', '/'), (_, response) => {
      response.writeHead(200, { 'content-length': content.length, ...headers }).end(content);
    });
  }

  /**
   * Serves an image for linux/amd64 and linux/arm64 with these layers. @returns the digest of its
   * index
   */
  serveImage(registry: string, repository: string, layers: readonly Buffer[]): string {
    const base = `https://${registry}/v2/${repository}`;
    for (const layer of layers) this.serve(`${base}/blobs/${sha256(layer)}`, layer);
    const put = (document: object, mediaType: string): string => {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }));
      this.serve(`${base}/manifests/${sha256(bytes)}`, bytes, { 'content-type': mediaType });
      return sha256(bytes);
    };
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
    const manifest = { layers: layers.map((layer) => ({ mediaType, digest: sha256(layer), size: layer.length })) };
    const digest = put(manifest, 'application/vnd.oci.image.manifest.v1+json');
    const manifests = ['amd64', 'arm64'].map((architecture) => ({ digest, platform: { os: 'linux', architecture } }));
    return put({ manifests }, 'application/vnd.oci.image.index.v1+json');
  }

  /** Serves a program in the form of its upstream. @returns its checksum */
  serveRelease(release: Release, content: Uint8Array): string {
    if (release.kind === 'image') {
      // The base layer is below, a helper is on top.
      const layers = [{ 'etc/passwd': Buffer.from('root') }, { [release.member]: content }, { 'go-runner': Buffer.from('helper') }];
      return this.serveImage(release.registry, release.repository, layers.map(tarball));
    }
    const file = release.kind === 'file' ? content : tarball({ 'other/README': Buffer.from('text'), [release.member]: content });
    this.serve(release.url, file);
    return sha256(file);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
