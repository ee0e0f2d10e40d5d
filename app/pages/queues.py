from app.shell import open_page

open_page("T", "q")
