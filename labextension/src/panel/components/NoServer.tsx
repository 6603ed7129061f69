import { Button } from './Button';
import { useModel } from './context';
import { Empty } from './notes';

const COMMAND = 'python -m pip install jupyter_pkgmgr';

/** A server answers, but not with our extension: one sentence, with the command. */
export function NoServer() {
  const { session, trans } = useModel();
  return (
    <Empty icon="environment" title={trans.__('The server side of this panel is not running')}>
      <p>
        {trans.__('Run this where the Jupyter server is installed, then start the server again:')}
      </p>
      <pre tabIndex={0}>{COMMAND}</pre>
      <Button onClick={() => void session.connect()}>{trans.__('Try again')}</Button>
    </Empty>
  );
}
