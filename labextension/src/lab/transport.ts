import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { Transport } from '../panel/service';

/** REST requests to the Jupyter server this page came from, with its credentials. */
export function serverTransport(settings: ServerConnection.ISettings): Transport {
  const base = URLExt.join(settings.baseUrl, 'pkgmgr');
  return async ({ method, path, body, headers, signal }) => {
    const init: RequestInit = { method, headers: { ...headers }, signal };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
    }
    try {
      const response = await ServerConnection.makeRequest(`${base}/${path}`, init, settings);
      const text = await response.text();
      return {
        status: response.status,
        body: parse(text),
        headers: Object.fromEntries(response.headers.entries())
      };
    } catch (error) {
      signal?.throwIfAborted(); // else it would be told as a broken network
      throw error;
    }
  };
}

/** JSON, or null for what isn't: a proxy's error page, an empty answer. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
