import './lab/output.css';
