/**
 * Browser with redirects and cookies, based on fetch. Cookies are stored by host and port, so that
 * tests can distinguish servers. Each browser has its own address, as behind a proxy.
 */
export interface Browser {
  readonly address: string;
  /** Sends a request; does not follow redirects. */
  request(url: string, init?: RequestInit): Promise<Response>;
  /**
   * Follows redirects, until a response is none or would lead to a URL that begins with `stopAt`.
   * @returns the final URL
   */
  follow(url: string, stopAt?: string): Promise<{ url: string; response: Response | undefined }>;
  /** Cookies of an origin, by name. */
  cookies(origin: string): Map<string, string>;
  /** Another browser with the same cookies. */
  copy(): Browser;
}

const MAX_REDIRECTS = 20;

const store = (jar: Map<string, string>, line: string): void => {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
  const at = pair.indexOf('=');
  const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
  const expires = attributes.find((attribute) => attribute.toLowerCase().startsWith('expires='))?.slice('expires='.length);
  if (expires !== undefined && Date.parse(expires) <= Date.now()) jar.delete(name);
  else jar.set(name, value);
};

let browsers = 0;

export const createBrowser = (known: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map()): Browser => {
  browsers += 1;
  const address = `10.0.${Math.floor(browsers / 250)}.${browsers % 250}`;
  const jars = new Map([...known].map(([origin, jar]) => [origin, new Map(jar)]));
  const jarOf = (origin: string): Map<string, string> => {
    const jar = jars.get(origin) ?? new Map<string, string>();
    jars.set(origin, jar);
    return jar;
  };

  const request = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const jar = jarOf(new URL(url).origin);
    const headers = new Headers(init.headers);
    headers.set('X-Forwarded-For', address);
    if (jar.size > 0) headers.set('Cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '));
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) store(jar, line);
    return response;
  };

  return {
    address,
    request,
    follow: async (start, stopAt) => {
      let url = start;
      for (let step = 0; step < MAX_REDIRECTS; step += 1) {
        if (stopAt !== undefined && url.startsWith(stopAt)) return { url, response: undefined };
        const response = await request(url);
        const location = response.headers.get('Location');
        if (location === null) return { url, response };
        await response.body?.cancel();
        url = new URL(location, url).href;
      }
      throw new Error(`more than ${MAX_REDIRECTS} redirects from ${start}`);
    },
    cookies: jarOf,
    copy: () => createBrowser(jars),
  };
};
