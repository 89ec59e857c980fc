// Search as you type: hides the rows that do not contain the words. Without it, the form asks the server.
const field = document.getElementById("q");
const rows = [...document.querySelectorAll("table#all tbody tr")].map((row) => [row, row.cells[0].textContent.toLowerCase()]);
field.addEventListener("input", () => {
  const text = field.value.trim().toLowerCase();
  const pattern = /[*?[]/.test(text); // which the server knows
  for (const [row, name] of rows) row.hidden = !pattern && !name.includes(text);
});
