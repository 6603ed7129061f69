import './lab/output.css';
import './lab/sidepanel.css';
import './lab/status.css';
import './panel/index.css';
