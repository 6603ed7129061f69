import type { IError } from './documents';
import type { IFault } from './errors';
import type { ITranslation } from './translation';

/** What makes it go on: the same again, or a new page. */
export type Remedy = 'again' | 'reload';

/** An error in the words of somebody who has a panel: what happened, why, what to do next. */
export interface IExplained extends IError {
  remedy: Remedy;
}

/** The server's own word for whom it doesn't let in. */
const STRANGERS = ['forbidden', 'not-authenticated'];
/** Names that are said to people, beside the number that a proxy's log has. */
const NAMES: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  413: 'Content Too Large',
  424: 'Failed Dependency',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout'
};

/**
 * What to show of an error. An error of the server explains itself; whatever else can come back over a connection
 * (nothing, a proxy's page, a hub's, another version's document) is explained here, and only here.
 *
 * @param inKernel - whether a kernel answers, not a server
 */
export function explain(
  error: IError & Partial<IFault>,
  trans: ITranslation,
  inKernel = false
): IExplained {
  const { kind = 'refused', status = 0, message: said } = error;
  const told = (message: string, note: string | null, hint: string, remedy: Remedy): IExplained => {
    const { reference, context, detail } = error;
    return { reference, context, detail, message, note, hint, remedy };
  };
  const another = inKernel ? trans.__('run this cell again') : trans.__('reload this page');
  const renewed: Remedy = inKernel ? 'again' : 'reload';
  const number = [String(status), NAMES[status]].filter(Boolean).join(' ');
  switch (kind) {
    case 'refused':
      return { ...error, remedy: STRANGERS.includes(error.reference) ? renewed : 'again' };
    case 'unreachable':
      return told(...unreachable(status, number, inKernel, trans));
    case 'stranger':
      return told(
        trans.__('The server does not know you any more'),
        status < 300
          ? trans.__('A page came instead of an answer: your login may have run out.')
          : trans.__('Your login may have run out, or you may not use it (%1).', number),
        trans.__('reload this page, and log in if you are asked to'),
        'reload'
      );
    case 'absent':
      return told(
        trans.__('The server does not know what this panel asks for'),
        trans.__('It may be of another version than this page (%1).', number),
        another,
        renewed
      );
    case 'unknown-format':
      return told(
        trans.__('The server is of another version than this page'),
        trans.__('It was updated after the page was opened: %1.', said),
        another,
        renewed
      );
    case 'foreign':
      return told(
        status >= 500
          ? trans.__('The server failed to answer')
          : trans.__('The server did not take this request'),
        trans.__('It said %1.', said.includes(String(status)) ? number : `${number}: ${said}`),
        status === 429 ? trans.__('wait a minute, then try again') : trans.__('try again'),
        'again'
      );
    case 'unexpected':
      return {
        ...told(trans.__('Something went wrong in this panel'), null, another, renewed),
        detail: said
      };
  }
}

type Told = [message: string, note: string | null, hint: string, remedy: Remedy];

/** Nobody answers; who stands in between may say why. */
function unreachable(status: number, number: string, inKernel: boolean, trans: ITranslation): Told {
  if (inKernel) {
    return [
      trans.__('The kernel does not answer'),
      null,
      trans.__('if it was restarted, run this cell again for a new panel'),
      'again'
    ];
  }
  if (status === 424) {
    return [
      trans.__('Your Jupyter server is not running'),
      trans.__('JupyterHub says that it has stopped (%1).', number),
      trans.__('reload this page to start it again'),
      'reload'
    ];
  }
  return [
    trans.__('The server does not answer'),
    status === 0
      ? trans.__('It is not running, or there is no network.')
      : trans.__('What stands before it says %1.', number),
    trans.__('wait a moment, then try again'),
    'again'
  ];
}
